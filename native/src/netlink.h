// A netlink socket on the event loop: datagrams in and out. What stands in them is for the caller to know.
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
  // Reads one datagram into a new buffer. Returns 0 or what recv reports, EAGAIN when there is none. No buffer when
  // JavaScript may not run any more.
  int Receive(napi_env env, napi_value* datagram);
  // Empties the socket, unread; a dump that is under way is over then, too.
  void Discard();

  UniqueFd fd_;
  Poller* poller_ = nullptr;
  Napi::FunctionReference on_datagram_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace libbpf
