# Runs the Vagrantfile with a stub of Vagrant and checks the hosts, addresses and MACs that it would make. For machines
# without Vagrant; "vagrant validate" checks more.

EXPECTED = {
  "client" => ["192.168.1.12", "005000000300"],
  "director" => ["192.168.1.21", "005000000400"],
  "standby" => ["192.168.1.22", "005000000500"],
  "real1" => ["192.168.1.31", "005000000100"],
  "real2" => ["192.168.1.32", "005000000200"],
}.freeze

# Accepts every setting, and remembers networks and scripts.
class Machine
  attr_reader :networks, :scripts

  def initialize
    @networks = []
    @scripts = []
  end

  def vm = self
  def define(name, **) = yield($machines[name] = Machine.new)
  def network(kind, **options) = @networks << [kind, options]
  def provision(kind, **options) = @scripts << [kind, options]
  def provider(_name) = yield(self)
  def synced_folder(*, **) = nil
  def method_missing(name, *) = name.end_with?("=") ? nil : super
  def respond_to_missing?(name, *) = name.end_with?("=")
end

# Vagrant.configure("2") { |config| ... }
module Vagrant
  def self.configure(version)
    abort "Vagrantfile: configuration version #{version}" unless version == "2"
    yield Machine.new
  end
end

$machines = {}
load File.expand_path("../Vagrantfile", __dir__)

found = $machines.transform_values do |machine|
  machine.networks.map { |kind, options| options.values_at(:ip, :mac) if kind == "private_network" }.first
end
abort "Vagrantfile: expected #{EXPECTED}, found #{found}" unless found == EXPECTED

$machines.each do |name, machine|
  machine.scripts.each do |kind, options|
    abort "Vagrantfile: #{name} is not provisioned by a shell" unless kind == "shell"
    IO.popen(["bash", "-n"], "w") { |bash| bash.write(options[:inline]) }
    abort "Vagrantfile: the script of #{name} is no shell script" unless $?.success?
  end
end
puts "Vagrantfile: #{$machines.size} machines, addresses and MACs as they must be"
