// Waits for a file descriptor to become readable, on the event loop of one JavaScript environment.
#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>
#include <initializer_list>

namespace libbpf {

// Belongs to one owner until Stop, and frees itself when libuv has let go of it. When the environment ends first
// (process exit, a worker's end), it stops by itself and the environment waits for that.
class Poller {
 public:
  // Starts at once and stores itself in `*owner_slot`; Stop empties the slot again, whoever calls it.
  // `on_readable` runs on the JavaScript thread and may call Stop. Returns 0, or a positive errno.
  static int Start(Napi::Env env, int fd, std::function<void()> on_readable, Poller** owner_slot);
  // No call of on_readable begins after this; the descriptor may be closed.
  void Stop();
  // Whether the event loop stays alive for this descriptor alone.
  void SetReferenced(bool referenced);

 private:
  Poller(std::function<void()> on_readable, Poller** owner_slot)
      : on_readable_(std::move(on_readable)), owner_slot_(owner_slot) {}

  void Listen();

  uv_poll_t handle_ = {};
  std::function<void()> on_readable_;
  Poller** owner_slot_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
};

// Calls a JavaScript function as an event. What it throws is the process's uncaught exception, as for any event. Does
// nothing when an argument is nullptr, or when the thread is ending and JavaScript may not run any more.
void Emit(napi_env env, const Napi::AsyncContext& context, const Napi::FunctionReference& function,
          std::initializer_list<napi_value> arguments);

}  // namespace libbpf
