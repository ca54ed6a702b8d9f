// Frame I/O; see frames.h and packet(7).
#include "frames.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "error.h"

namespace libbpf {

namespace {

constexpr char kName[] = "frame listener";
// A thousand real servers may answer within a millisecond.
constexpr int kReceiveBufferBytes = 8 << 20;

}  // namespace

void FrameListener::Register(Napi::Env env, Napi::Object exports) {
  exports["FrameListener"] = DefineClass(env, "FrameListener",
                                         {
                                             InstanceMethod<&FrameListener::TakeDropped>("takeDropped"),
                                             InstanceMethod<&FrameListener::Close>("close"),
                                         });
}

FrameListener::FrameListener(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<FrameListener>(info), buffer_(new uint8_t[kFramesPerCall * kLongestFrame]) {
  const Napi::Env env = info.Env();
  const uint32_t ifindex = Uint32Argument(info, 0, "ifindex");
  const auto bytes = BytesArgument(info, 1, "filter");
  if (!info[2].IsFunction()) ThrowType(env, "onFrames must be a function");
  if (bytes.empty() || bytes.size() % sizeof(sock_filter) != 0 || bytes.size() / sizeof(sock_filter) > BPF_MAXINSNS) {
    ThrowErrno(env, EINVAL, "setsockopt(SO_ATTACH_FILTER)", kName);
  }
  std::vector<sock_filter> filter(bytes.size() / sizeof(sock_filter));
  std::memcpy(filter.data(), bytes.data(), bytes.size());

  // Protocol 0: nothing comes before the filter is there and the interface is chosen.
  fd_ = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) ThrowErrno(env, errno, "socket", kName);
  const sock_fprog program = {.len = static_cast<uint16_t>(filter.size()), .filter = filter.data()};
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    ThrowErrno(env, errno, "setsockopt(SO_ATTACH_FILTER)", kName);
  }
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes, sizeof kReceiveBufferBytes) != 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
  }
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(ifindex);
  if (bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ThrowErrno(env, errno, "bind", kName);
  }
  // Groups such as VRRP's, of which this host is no member: a card would leave their frames out. What the card cannot
  // do only narrows what is heard.
  packet_mreq membership = {};
  membership.mr_ifindex = static_cast<int>(ifindex);
  membership.mr_type = PACKET_MR_ALLMULTI;
  setsockopt(fd_.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership);
  const int error = Poller::Start(env, fd_.get(), [this] { OnReadable(); }, &poller_);
  if (error != 0) ThrowErrno(env, error, "uv_poll_init", kName);
  on_frames_ = Napi::Persistent(info[2].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "FrameListener");
  Ref();  // keeps the garbage collector from ending the delivery before close
}

FrameListener::~FrameListener() {
  if (poller_ != nullptr) poller_->Stop();
}

void FrameListener::OnReadable() {
  const Napi::Env env = Env();
  Napi::HandleScope scope(env);
  std::array<mmsghdr, kFramesPerCall> headers = {};
  std::array<iovec, kFramesPerCall> parts = {};
  for (size_t i = 0; i < kFramesPerCall; i++) {
    parts[i] = {.iov_base = buffer_.get() + i * kLongestFrame, .iov_len = kLongestFrame};
    headers[i].msg_hdr.msg_iov = &parts[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  const int count = recvmmsg(fd_.get(), headers.data(), kFramesPerCall, 0, nullptr);
  if (count < 0) {
    if (errno != EAGAIN && errno != EINTR) {
      Emit(env, *async_context_, on_frames_, {MakeKernelError(env, errno, "recvmmsg", kName)});
    }
    return;
  }
  napi_value frames = nullptr;  // stays that if JavaScript cannot run any more
  napi_create_array_with_length(env, static_cast<size_t>(count), &frames);
  for (int i = 0; i < count; i++) {
    napi_value frame = nullptr;
    napi_create_buffer_copy(env, headers[i].msg_len, parts[i].iov_base, nullptr, &frame);
    if (frames != nullptr && frame != nullptr) napi_set_element(env, frames, static_cast<uint32_t>(i), frame);
  }
  Emit(env, *async_context_, on_frames_, {env.Undefined(), frames});
}

Napi::Value FrameListener::TakeDropped(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!fd_) ThrowClosed(env, "getsockopt", kName);
  tpacket_stats statistics = {};
  socklen_t length = sizeof statistics;
  if (getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics, &length) != 0) {
    ThrowErrno(env, errno, "getsockopt(PACKET_STATISTICS)", kName);
  }
  return Napi::Number::New(env, statistics.tp_drops);
}

void FrameListener::Close(const Napi::CallbackInfo&) {
  if (!fd_) return;
  if (poller_ != nullptr) poller_->Stop();
  fd_.Reset();
  Unref();
}

}  // namespace libbpf
