// A netlink socket on the event loop. It sends and receives datagrams without looking into them.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "poller.h"
#include "util.h"

namespace libbpf {

class NetlinkSocket : public Napi::ObjectWrap<NetlinkSocket> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // (protocol: number, groups: number[],
  //  onDatagrams: (error: KernelError | undefined, datagrams?: Uint8Array, more?: boolean) => void)
  // `datagrams` are those of one round, one after another, each from a multiple of 4 bytes on; `more` may be waiting.
  explicit NetlinkSocket(const Napi::CallbackInfo& info);
  ~NetlinkSocket() override;

 private:
  static constexpr size_t kDatagramsPerCall = 32;
  // More than the kernel puts into one: 32 KiB in a list (netlink_recvmsg), and one entry in an event.
  static constexpr size_t kLongestDatagram = 64 << 10;

  void Send(const Napi::CallbackInfo& info);
  void SetReferenced(const Napi::CallbackInfo& info);
  // (paused: boolean) Whether to leave datagrams in the socket for now.
  void SetPaused(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void OnReadable();
  // Reads some datagrams. Returns 0 or an errno: EAGAIN if there are no more, EMSGSIZE if one was cut off and is lost.
  int Receive(std::vector<uint8_t>* datagrams);
  // Discards all datagrams of the socket. This also ends a dump that is under way.
  void Discard();

  UniqueFd fd_;
  Poller* poller_ = nullptr;
  // Room for the datagrams of a call. Only what they fill costs memory.
  const std::unique_ptr<uint8_t[]> buffer_;
  Napi::FunctionReference on_datagrams_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace libbpf
