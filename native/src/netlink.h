// A netlink socket on the event loop. It sends and receives datagrams without looking into them.
#pragma once

#include <napi.h>

#include <memory>

#include "poller.h"
#include "util.h"

namespace libbpf {

class NetlinkSocket : public Napi::ObjectWrap<NetlinkSocket> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // (protocol: number, groups: number[], onDatagram: (error: KernelError | undefined, datagram?: Uint8Array) => void)
  explicit NetlinkSocket(const Napi::CallbackInfo& info);
  ~NetlinkSocket() override;

 private:
  void Send(const Napi::CallbackInfo& info);
  void SetReferenced(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void OnReadable();
  // Reads one datagram into a new buffer. Returns 0 or recv's errno, EAGAIN if there is no datagram. Leaves the buffer
  // empty if JavaScript cannot run any more.
  int Receive(napi_env env, napi_value* datagram);
  // Discards all datagrams of the socket. This also ends a dump that is under way.
  void Discard();

  UniqueFd fd_;
  Poller* poller_ = nullptr;
  Napi::FunctionReference on_datagram_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace libbpf
