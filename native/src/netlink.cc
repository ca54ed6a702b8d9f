// Netlink I/O; see netlink.h and netlink(7).
#include "netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>

#include "error.h"

namespace libbpf {

namespace {

constexpr char kName[] = "netlink socket";
// Bursts of events, as of a thousand neighbours after a switch's reboot, must fit between two rounds of the event loop.
constexpr int kReceiveBufferBytes = 4 << 20;
// The event loop handles other events after this many calls of recvmmsg.
constexpr int kCallsPerRound = 8;

void SetOption(Napi::Env env, int fd, int option, int value, const char* call) {
  if (setsockopt(fd, SOL_NETLINK, option, &value, sizeof value) != 0) ThrowErrno(env, errno, call, kName);
}

}  // namespace

void NetlinkSocket::Register(Napi::Env env, Napi::Object exports) {
  exports["NetlinkSocket"] = DefineClass(env, "NetlinkSocket",
                                         {
                                             InstanceMethod<&NetlinkSocket::Send>("send"),
                                             InstanceMethod<&NetlinkSocket::SetReferenced>("setReferenced"),
                                             InstanceMethod<&NetlinkSocket::SetPaused>("setPaused"),
                                             InstanceMethod<&NetlinkSocket::Close>("close"),
                                         });
}

NetlinkSocket::NetlinkSocket(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NetlinkSocket>(info), buffer_(new uint8_t[kDatagramsPerCall * kLongestDatagram]) {
  const Napi::Env env = info.Env();
  const uint32_t protocol = Uint32Argument(info, 0, "protocol");
  if (!info[1].IsArray()) ThrowType(env, "groups must be an array");
  if (!info[2].IsFunction()) ThrowType(env, "onDatagrams must be a function");

  fd_ = UniqueFd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, static_cast<int>(protocol)));
  if (!fd_) ThrowErrno(env, errno, "socket", kName);
  // Without CAP_NET_ADMIN the first call fails, and the second sets at most the system's limit: smaller, but enough.
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes, sizeof kReceiveBufferBytes) != 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
  }
  SetOption(env, fd_.get(), NETLINK_EXT_ACK, 1, "setsockopt(NETLINK_EXT_ACK)");
  SetOption(env, fd_.get(), NETLINK_GET_STRICT_CHK, 1, "setsockopt(NETLINK_GET_STRICT_CHK)");
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  if (bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ThrowErrno(env, errno, "bind", kName);
  }
  const auto groups = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < groups.Length(); i++) {
    const auto group = static_cast<int>(IntegerValue(env, groups.Get(i), "group", 1, 1 << 16));
    SetOption(env, fd_.get(), NETLINK_ADD_MEMBERSHIP, group, "setsockopt(NETLINK_ADD_MEMBERSHIP)");
  }
  const int error = Poller::Start(env, fd_.get(), [this] { OnReadable(); }, &poller_);
  if (error != 0) ThrowErrno(env, error, "uv_poll_init", kName);
  on_datagrams_ = Napi::Persistent(info[2].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "NetlinkSocket");
  Ref();  // keeps the garbage collector from ending the delivery before close
}

NetlinkSocket::~NetlinkSocket() {
  if (poller_ != nullptr) poller_->Stop();
}

int NetlinkSocket::Receive(std::vector<uint8_t>* datagrams) {
  std::array<mmsghdr, kDatagramsPerCall> headers = {};
  std::array<iovec, kDatagramsPerCall> parts = {};
  std::array<sockaddr_nl, kDatagramsPerCall> senders = {};
  for (size_t i = 0; i < kDatagramsPerCall; i++) {
    parts[i] = {.iov_base = buffer_.get() + i * kLongestDatagram, .iov_len = kLongestDatagram};
    headers[i].msg_hdr.msg_iov = &parts[i];
    headers[i].msg_hdr.msg_iovlen = 1;
    headers[i].msg_hdr.msg_name = &senders[i];
    headers[i].msg_hdr.msg_namelen = sizeof senders[i];
  }
  const int count = recvmmsg(fd_.get(), headers.data(), kDatagramsPerCall, 0, nullptr);
  if (count < 0) return errno;
  for (int i = 0; i < count; i++) {
    if ((headers[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) return EMSGSIZE;
    // Other processes may send to a netlink socket too. Only the kernel has port 0.
    if (senders[i].nl_pid != 0) continue;
    const auto* bytes = static_cast<const uint8_t*>(parts[i].iov_base);
    datagrams->insert(datagrams->end(), bytes, bytes + headers[i].msg_len);
    datagrams->resize(NLMSG_ALIGN(datagrams->size()));
  }
  // Fewer: the socket is empty, or the next call returns its error.
  return static_cast<size_t>(count) < kDatagramsPerCall ? EAGAIN : 0;
}

void NetlinkSocket::Discard() {
  while (recv(fd_.get(), nullptr, 0, 0) >= 0 || errno == ENOBUFS || errno == EINTR) continue;
}

void NetlinkSocket::OnReadable() {
  const Napi::Env env = Env();
  Napi::HandleScope scope(env);
  std::vector<uint8_t> received;
  int error = 0;
  for (int i = 0; i < kCallsPerRound && error == 0; i++) error = Receive(&received);
  // Until the socket is empty, the kernel drops everything for it and does not report that again (netlink_overrun).
  if (error == ENOBUFS) Discard();
  if (!received.empty()) {
    napi_value datagrams = nullptr;  // stays that if JavaScript cannot run any more
    napi_create_buffer_copy(env, received.size(), received.data(), nullptr, &datagrams);
    Emit(env, *async_context_, on_datagrams_, {env.Undefined(), datagrams, Napi::Boolean::New(env, error == 0)});
  }
  if (error != 0 && error != EAGAIN && fd_) {
    Emit(env, *async_context_, on_datagrams_, {MakeKernelError(env, error, "recvmmsg", kName)});
  }
}

void NetlinkSocket::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!fd_) ThrowClosed(env, "send", kName);
  const auto bytes = BytesArgument(info, 0, "datagram");
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  if (sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) < 0) {
    ThrowErrno(env, errno, "send", kName);
  }
}

void NetlinkSocket::SetReferenced(const Napi::CallbackInfo& info) {
  if (poller_ != nullptr) poller_->SetReferenced(info[0].ToBoolean());
}

void NetlinkSocket::SetPaused(const Napi::CallbackInfo& info) {
  if (poller_ != nullptr) poller_->SetPaused(info[0].ToBoolean());
}

void NetlinkSocket::Close(const Napi::CallbackInfo&) {
  if (!fd_) return;
  if (poller_ != nullptr) poller_->Stop();
  fd_.Reset();
  Unref();
}

}  // namespace libbpf
