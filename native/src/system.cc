// Wrappers of system calls; see system.h.
#include "system.h"

#include <bpf/libbpf.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <string>

#include "error.h"

namespace libbpf {

namespace {

constexpr char kPacketSocket[] = "packet socket";
constexpr char kQuietPort[] = "quiet port";

void MountBpffs(const Napi::CallbackInfo& info) {
  const std::string path = StringArgument(info, 0, "path");
  // The source tells later processes who mounted it.
  if (mount("beeline", path.c_str(), "bpf", 0, "mode=0700") != 0) ThrowErrno(info.Env(), errno, "mount", path);
}

// Sends a datagram to a unix socket, as sd_notify(3) does. A leading @ means the abstract namespace.
void SendDatagram(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = StringArgument(info, 0, "path");
  const std::string text = StringArgument(info, 1, "text");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) ThrowErrno(env, ENAMETOOLONG, "sendto", path);
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) ThrowErrno(env, errno, "socket", path);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), length) < 0) {
    ThrowErrno(env, errno, "sendto", path);
  }
}

// Waits in another thread until every BPF program that was running at the call has returned.
class GracePeriod : public Napi::AsyncWorker {
 public:
  explicit GracePeriod(Napi::Env env) : Napi::AsyncWorker(env, "synchronizeRcu"), deferred_(env) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    // The global command is synchronize_rcu (kernel/sched/membarrier.c).
    supported_ = syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0;
  }
  void OnOK() override { deferred_.Resolve(Napi::Boolean::New(Env(), supported_)); }

 private:
  Napi::Promise::Deferred deferred_;
  bool supported_ = false;
};

Napi::Value SynchronizeRcu(const Napi::CallbackInfo& info) {
  auto* worker = new GracePeriod(info.Env());  // deletes itself
  const auto promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Value PossibleCpus(const Napi::CallbackInfo& info) {
  const int count = libbpf_num_possible_cpus();
  if (count < 0) ThrowErrno(info.Env(), -count, "libbpf_num_possible_cpus", "this machine");
  return Napi::Number::New(info.Env(), count);
}

// Returns "bpf-map", "bpf-prog" or "bpf-link".
Napi::Value PinnedKind(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), OpenPinnedObject(info.Env(), StringArgument(info, 0, "path")).kind);
}

Napi::Value BootTimeMs(const Napi::CallbackInfo& info) {
  timespec time = {};
  if (clock_gettime(CLOCK_BOOTTIME, &time) != 0) ThrowErrno(info.Env(), errno, "clock_gettime", "CLOCK_BOOTTIME");
  return Napi::Number::New(info.Env(), static_cast<double>(time.tv_sec * 1000 + time.tv_nsec / 1000000));
}

// SO_NETNS_COOKIE (asm-generic/socket.h since kernel 5.14), by its number: older headers do not have it.
constexpr int kNetnsCookie = 71;

Napi::Value NetworkCookie(const Napi::CallbackInfo& info) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) ThrowErrno(info.Env(), errno, "socket", "a socket");
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  if (getsockopt(fd.get(), SOL_SOCKET, kNetnsCookie, &cookie, &length) != 0) {
    ThrowErrno(info.Env(), errno, "getsockopt", "SO_NETNS_COOKIE");
  }
  return Napi::BigInt::New(info.Env(), cookie);
}

Napi::Value LibbpfVersion(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), libbpf_version_string());
}

}  // namespace

void FileLock::Register(Napi::Env env, Napi::Object exports) {
  exports["FileLock"] = DefineClass(
      env, "FileLock", {InstanceMethod<&FileLock::IsAt>("isAt"), InstanceMethod<&FileLock::Close>("close")});
}

FileLock::FileLock(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FileLock>(info) {
  const std::string path = StringArgument(info, 0, "path");
  const bool is_folder = info[1].ToBoolean();
  const int flags = is_folder ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT;
  do {
    fd_ = UniqueFd(open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd_) ThrowErrno(info.Env(), errno, "open", path);
    if (flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) ThrowErrno(info.Env(), errno, "flock", path);
    // If the file was removed in between, the lock of another process may be on the next one of that name.
  } while (!IsAtPath(path));
}

bool FileLock::IsAtPath(const std::string& path) const {
  struct stat ours = {};
  struct stat there = {};
  return fd_ && fstat(fd_.get(), &ours) == 0 && lstat(path.c_str(), &there) == 0 && ours.st_dev == there.st_dev &&
         ours.st_ino == there.st_ino;
}

Napi::Value FileLock::IsAt(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsAtPath(StringArgument(info, 0, "path")));
}

void FileLock::Close(const Napi::CallbackInfo&) { fd_.Reset(); }

void PacketSocket::Register(Napi::Env env, Napi::Object exports) {
  exports["PacketSocket"] = DefineClass(env, "PacketSocket",
                                        {
                                            InstanceMethod<&PacketSocket::Send>("send"),
                                            InstanceMethod<&PacketSocket::Close>("close"),
                                        });
}

PacketSocket::PacketSocket(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PacketSocket>(info) {
  // Protocol 0: it receives nothing.
  fd_ = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) ThrowErrno(info.Env(), errno, "socket", kPacketSocket);
}

void PacketSocket::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!fd_) ThrowClosed(env, "sendto", kPacketSocket);
  const uint32_t ifindex = Uint32Argument(info, 0, "ifindex");
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    ThrowType(env, "frame must be a Uint8Array");
  }
  const auto frame = info[1].As<Napi::Uint8Array>();
  if (frame.ByteLength() < ETH_HLEN) ThrowErrno(env, EINVAL, "sendto", kPacketSocket);
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(ifindex);
  std::memcpy(&address.sll_protocol, frame.Data() + 2 * ETH_ALEN, sizeof address.sll_protocol);
  if (sendto(fd_.get(), frame.Data(), frame.ByteLength(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address) <
      0) {
    ThrowErrno(env, errno, "sendto", kPacketSocket);
  }
}

void PacketSocket::Close(const Napi::CallbackInfo&) { fd_.Reset(); }

void QuietPort::Register(Napi::Env env, Napi::Object exports) {
  exports["QuietPort"] = DefineClass(env, "QuietPort",
                                     {
                                         InstanceMethod<&QuietPort::Close>("close"),
                                     });
}

QuietPort::QuietPort(const Napi::CallbackInfo& info) : Napi::ObjectWrap<QuietPort>(info) {
  const Napi::Env env = info.Env();
  const uint16_t port = htons(static_cast<uint16_t>(Uint32Argument(info, 0, "port")));
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  fd_ = UniqueFd(socket(AF_INET6, kType, 0));
  const bool is_dual = static_cast<bool>(fd_);
  // A kernel without IPv6.
  if (!is_dual && errno == EAFNOSUPPORT) fd_ = UniqueFd(socket(AF_INET, kType, 0));
  if (!fd_) ThrowErrno(env, errno, "socket", kQuietPort);
  const int no = 0;
  if (is_dual && setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) != 0) {
    ThrowErrno(env, errno, "setsockopt(IPV6_V6ONLY)", kQuietPort);
  }
  // Before it listens: nothing is ever let in.
  sock_filter nothing = {.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog program = {.len = 1, .filter = &nothing};
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    ThrowErrno(env, errno, "setsockopt(SO_ATTACH_FILTER)", kQuietPort);
  }
  sockaddr_in6 six = {};
  six.sin6_family = AF_INET6;
  six.sin6_port = port;
  sockaddr_in four = {};
  four.sin_family = AF_INET;
  four.sin_port = port;
  const int bound = is_dual ? bind(fd_.get(), reinterpret_cast<sockaddr*>(&six), sizeof six)
                            : bind(fd_.get(), reinterpret_cast<sockaddr*>(&four), sizeof four);
  if (bound != 0) ThrowErrno(env, errno, "bind", kQuietPort);
  if (listen(fd_.get(), 0) != 0) ThrowErrno(env, errno, "listen", kQuietPort);
}

void QuietPort::Close(const Napi::CallbackInfo&) { fd_.Reset(); }

void RegisterSystem(Napi::Env env, Napi::Object exports) {
  exports["mountBpffs"] = Napi::Function::New<MountBpffs>(env, "mountBpffs");
  exports["sendDatagram"] = Napi::Function::New<SendDatagram>(env, "sendDatagram");
  exports["synchronizeRcu"] = Napi::Function::New<SynchronizeRcu>(env, "synchronizeRcu");
  exports["possibleCpus"] = Napi::Function::New<PossibleCpus>(env, "possibleCpus");
  exports["bootTimeMs"] = Napi::Function::New<BootTimeMs>(env, "bootTimeMs");
  exports["networkCookie"] = Napi::Function::New<NetworkCookie>(env, "networkCookie");
  exports["pinnedKind"] = Napi::Function::New<PinnedKind>(env, "pinnedKind");
  exports["libbpfVersion"] = Napi::Function::New<LibbpfVersion>(env, "libbpfVersion");
}

}  // namespace libbpf
