/** An LVS network on one machine: namespaces for a client, a director, two real servers and the switch between them. */

import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { BeelineError, type Instance, instanceOf } from '../model/index.js';
import { inNamespace, run, start } from './command.js';
import { isAlive, type ProcessIdentity, processOf, terminate } from './process.js';
import { type HostName, hostsOf, hostSetup, LAB_CONFIG, NIC, PAGES, type Setup, switchSetup } from './topology.js';

/** Contains a folder of files for each lab. */
const LABS_DIRECTORY = '/run/beeline/labs';
/** The folder of directors' files that survive a reboot. */
const STATE_DIRECTORY = '/var/lib/beeline';
const NAME = /^[a-z0-9-]{1,16}$/;

const PASS_OBJECT = fileURLToPath(new URL('../../bpf/pass.bpf.o', import.meta.url));
const WEB_SERVER = fileURLToPath(new URL('./web-server.js', import.meta.url));
/** The bundle, which starts faster than what tests import (ADR 26). */
const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 25;

/** The hosts that may be directors. */
export type Director = Extract<HostName, 'director' | 'standby' | 'third'>;
const DIRECTORS: readonly Director[] = ['director', 'standby', 'third'];

export interface LabOptions {
  /** Two directors, without VIPs: keepalived is to give them to one. Default: one director, which has them. */
  readonly pair?: boolean;
  /** A third director beside the two. */
  readonly third?: boolean;
}

/** Kept in a file so that another process can remove the lab. */
interface State {
  readonly processes: readonly ProcessIdentity[];
}

/** Returns the names of the labs that are up. */
export function labNames(): string[] {
  return existsSync(LABS_DIRECTORY) ? readdirSync(LABS_DIRECTORY).sort() : [];
}

/**
 * A lab. Its director is the instance of the same name. It changes nothing outside its namespaces and files, and ends only
 * processes that it started, by their numbers.
 */
export class Lab {
  readonly name: string;
  /** The folder for its configuration, logs and captures. */
  readonly directory: string;
  #processes: ProcessIdentity[] = [];

  /** @throws BeelineError `USAGE` for a name that is too long for namespaces */
  constructor(name: string) {
    if (!NAME.test(name)) {
      throw new BeelineError('USAGE', `"${name}" cannot be the name of a lab`, {
        hint: 'Use up to 16 small letters, digits and dashes.',
      });
    }
    this.name = name;
    this.directory = join(LABS_DIRECTORY, name);
  }

  /** The configuration file for the lab's director. */
  get configPath(): string {
    return join(this.directory, 'beeline.yaml');
  }

  configPathOf(director: Director): string {
    return director === 'director' ? this.configPath : join(this.directory, `${director}.yaml`);
  }

  get exists(): boolean {
    return existsSync(this.directory);
  }

  namespace(host: HostName | 'switch'): string {
    return `beeline-${this.name}-${host}`;
  }

  /**
   * The environment by which commands on a host find its director, and keep what they record in a folder of that host: the
   * hosts of a lab share the machine's files, and "setup" on one real server would be taken for that of another.
   */
  environment(host: HostName | 'switch'): Readonly<Record<string, string>> {
    const root = join(this.directory, host);
    const director = DIRECTORS.find((each) => each === host);
    return director === undefined
      ? { BEELINE_REALSERVER_ROOT: root, BEELINE_STATE: join(root, 'var/lib/beeline/realserver.state') }
      : { BEELINE_VIP_ROOT: root, BEELINE_INSTANCE: this.instance(director) };
  }

  /**
   * Builds the lab. If that fails or is aborted, removes what was built.
   *
   * @throws BeelineError `LAB`
   */
  async up(signal?: AbortSignal, options: LabOptions = {}): Promise<void> {
    requireRoot();
    if (this.exists) {
      throw new BeelineError('LAB', `the lab "${this.name}" is up already`, {
        hint: `Take it down first: beeline lab down ${this.name}`,
      });
    }
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    try {
      await this.#build(signal, options);
    } catch (error) {
      await this.down();
      throw error;
    }
  }

  async #build(signal: AbortSignal | undefined, { pair = false, third = false }: LabOptions): Promise<void> {
    const hosts = hostsOf(pair, third);
    const directors = DIRECTORS.filter((each) => hosts.some(({ name }) => name === each));
    directors.forEach((each) => {
      writeFileSync(this.configPathOf(each), LAB_CONFIG);
    });
    const namespaces = ['switch', ...hosts.map(({ name }) => name)] as const;
    for (const each of namespaces) {
      await run('ip', ['netns', 'add', this.namespace(each)], { signal });
    }
    for (const { name } of hosts) {
      const cable = ['type', 'veth', 'peer', 'name', NIC, 'netns', this.namespace(name)];
      await run('ip', ['-n', this.namespace('switch'), 'link', 'add', name, ...cable], { signal });
    }
    await Promise.all([
      this.#apply('switch', switchSetup(hosts), signal),
      ...hosts.map((host) => this.#apply(host.name, hostSetup(host, pair), signal)),
    ]);
    // XDP_TX does not fill in checksums: frames that leave theirs to the network card would reach the real server without.
    // The switch's end of the director's cable sees to that whatever the senders do, and puts VLAN tags into the frames.
    await this.exec('client', ['ethtool', '-K', NIC, 'tx', 'off'], signal);
    for (const director of directors) {
      await this.exec('switch', ['ethtool', '-K', director, 'tx', 'off', 'txvlan', 'off'], signal);
      await this.attachPass('switch', director, signal);
    }
    for (const [host, page] of Object.entries(PAGES) as [HostName, string][]) {
      await this.startWebServer(host, 80, page, signal);
    }
  }

  /** Attaches an XDP program that passes everything to an interface. */
  async attachPass(host: HostName | 'switch', device: string, signal?: AbortSignal): Promise<void> {
    // By bpftool, since "ip link … obj" would leave folders in the BPF file system.
    try {
      await run('bpftool', ['prog', 'load', PASS_OBJECT, this.#passPin], { signal });
      await this.exec(host, ['bpftool', 'net', 'attach', 'xdpdrv', 'pinned', this.#passPin, 'dev', device], signal);
    } finally {
      rmSync(this.#passPin, { force: true });
    }
  }

  get #passPin(): string {
    return `/sys/fs/bpf/beeline-${this.name}-pass`;
  }

  async #apply(host: HostName | 'switch', { ip, sysctls }: Setup, signal?: AbortSignal): Promise<void> {
    await this.sysctls(host, sysctls, signal);
    await run('ip', ['-n', this.namespace(host), '-batch', '-'], { input: `${ip.join('\n')}\n`, signal });
  }

  /** Sets a kernel parameter of a host's network, `net/ipv4/ip_forward`. /proc/sys/net belongs to the namespace. */
  async sysctl(host: HostName | 'switch', name: string, value: string): Promise<void> {
    await this.sysctls(host, { [name]: value });
  }

  /** Sets several of them by one program: to start one takes longer than all the rest. */
  async sysctls(
    host: HostName | 'switch',
    values: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<void> {
    const script = 'set -e; while [ $# -gt 0 ]; do printf %s "$2" > "/proc/sys/$1"; shift 2; done';
    await this.exec(host, ['sh', '-c', script, 'sh', ...Object.entries(values).flat()], signal);
  }

  /** Runs a program on a host to its end and returns what it printed. @throws BeelineError `LAB` when it fails */
  exec(host: HostName | 'switch', command: readonly string[], signal?: AbortSignal): Promise<string> {
    const [file, args] = inNamespace(this.namespace(host), command);
    return run(file, args, { signal });
  }

  /** Starts a program on a host. It ends with the lab. Its output goes to a file in the lab's folder. */
  startProcess(host: HostName | 'switch', label: string, command: readonly string[]): ProcessIdentity {
    const log = openSync(join(this.directory, `${label}.log`), 'a');
    const child = start(this.namespace(host), command, { detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    if (child.pid === undefined) {
      throw new BeelineError('LAB', `cannot start ${command.join(' ')}`);
    }
    child.unref();
    // nsenter executes the program, so the process number stays.
    const identity = processOf(child.pid);
    this.#remember(identity);
    return identity;
  }

  #remember(identity: ProcessIdentity): void {
    this.#processes = [...this.#readState().processes, identity];
    const state: State = { processes: this.#processes };
    writeFileSync(this.#statePath, JSON.stringify(state));
  }

  get #statePath(): string {
    return join(this.directory, 'state.json');
  }

  #readState(): State {
    return existsSync(this.#statePath)
      ? (JSON.parse(readFileSync(this.#statePath, 'utf8')) as State)
      : { processes: [] };
  }

  /** Starts a web server on a host and waits until it listens. */
  async startWebServer(host: HostName, port: number, page: string, signal?: AbortSignal): Promise<ProcessIdentity> {
    const ready = join(this.directory, `web-${host}-${port}.ready`);
    const command = [process.execPath, WEB_SERVER, String(port), page, ready];
    const identity = this.startProcess(host, `web-${host}-${port}`, command);
    await this.#waitFor(`the web server on ${host}, port ${port}`, identity, () => existsSync(ready), signal);
    return identity;
  }

  /** Starts the daemon in a director's namespace and waits until it answers. */
  async startDirector(
    args: readonly string[] = [],
    signal?: AbortSignal,
    director: Director = 'director',
  ): Promise<ProcessIdentity> {
    const instance = this.instance(director);
    const command = [process.execPath, BEELINE, '--instance', instance, 'run', ...args, this.configPathOf(director)];
    const identity = this.startProcess(director, director, command);
    await this.#waitFor('the daemon', identity, () => answers(`/run/beeline/${instance}.sock`), signal);
    return identity;
  }

  /** The name of a director's instance. */
  instance(director: Director): string {
    return director === 'director' ? this.name : `${this.name}-${director}`;
  }

  async #waitFor(
    what: string,
    identity: ProcessIdentity,
    isReady: () => boolean | Promise<boolean>,
    signal?: AbortSignal,
  ): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await isReady())) {
      if (!isAlive(identity) || performance.now() > deadline) {
        throw new BeelineError('LAB', `${what} did not start`, { hint: `Its log is in ${this.directory}.` });
      }
      await sleep(POLL_MS, undefined, signal && { signal });
    }
  }

  /** Runs `beeline` for a director of the lab and returns what it printed. */
  beeline(args: readonly string[], signal?: AbortSignal, director: Director = 'director'): Promise<string> {
    return run(process.execPath, [BEELINE, '--instance', this.instance(director), ...args], { signal });
  }

  /** Ends the daemons that there are, and takes their programs off. */
  async #detachAll(): Promise<void> {
    for (const director of DIRECTORS.filter((each) => isLeft(instanceOf(this.instance(each))))) {
      await this.beeline(['stop', '--detach', '--force'], undefined, director).catch(ignoreLabError);
    }
  }

  /** Removes everything the lab made, whatever state it is in. Returns whether there was anything. */
  async down(): Promise<boolean> {
    requireRoot();
    const existed = this.exists;
    if (existed) {
      await this.#detachAll();
      for (const identity of this.#readState().processes) {
        await terminate(identity);
      }
      // A daemon that was starting, and held its lock, may have left pins.
      await this.#detachAll();
    }
    const there = await namespaces();
    const ours = ['switch', ...hostsOf(true, true).map(({ name }) => name)]
      .map((host) => this.namespace(host as HostName))
      .filter((namespace) => there.has(namespace));
    for (const namespace of ours) {
      await run('ip', ['netns', 'delete', namespace]);
    }
    rmSync(this.#passPin, { force: true });
    rmSync(this.directory, { recursive: true, force: true });
    DIRECTORS.forEach((director) => {
      removeFiles(this.instance(director));
    });
    removeIfEmpty(STATE_DIRECTORY);
    removeIfEmpty(LABS_DIRECTORY);
    removeIfEmpty(dirname(LABS_DIRECTORY));
    return existed || ours.length > 0;
  }
}

/** Checks that the user is root: others cannot even see labs. @throws BeelineError `LAB` */
export function requireRoot(): void {
  if (process.getuid?.() !== 0) {
    throw new BeelineError('LAB', 'labs are made of network namespaces, which only root may use', {
      hint: 'Use sudo.',
    });
  }
}

/** Whether a daemon runs, is starting, or left pins. */
function isLeft({ socketPath, lockPath, pinDirectory }: Instance): boolean {
  return [socketPath, lockPath, pinDirectory].some((path) => existsSync(path));
}

/** Removes what a daemon leaves. */
function removeFiles(instance: string): void {
  const stored = ['history', 'timeouts', 'drains', 'tallies', 'health', 'mastership', 'running'].flatMap(storedAs);
  for (const suffix of ['sock', 'lock', 'forwards', 'forwards.new', 'vrrp', ...stored]) {
    rmSync(`/run/beeline/${instance}.${suffix}`, { force: true });
  }
  for (const suffix of [...storedAs('state'), ...storedAs('maintenance'), 'dropped.yaml']) {
    rmSync(join(STATE_DIRECTORY, `${instance}.${suffix}`), { force: true });
  }
}

function removeIfEmpty(directory: string): void {
  if (existsSync(directory) && readdirSync(directory).length === 0) {
    rmdirSync(directory);
  }
}

async function namespaces(): Promise<Set<string>> {
  const list = await run('ip', ['netns', 'list']);
  return new Set(list.split('\n').map((line) => line.split(' ')[0]!));
}

/** Ignores the failure of a command: the director may never have been started. */
function ignoreLabError(error: unknown): void {
  if (!(error instanceof BeelineError)) {
    throw error;
  }
}

/** Returns whether a process accepts connections at a unix socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

/** The files of a store: itself, its spare, one that was being written, and damaged ones. */
function storedAs(suffix: string): string[] {
  return [suffix, ...['previous', 'new', 'damaged', 'previous.damaged'].map((each) => `${suffix}.${each}`)];
}
