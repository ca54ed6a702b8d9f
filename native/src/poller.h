// Reports on the event loop of a JavaScript environment when a file descriptor is readable.
#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>
#include <initializer_list>

namespace libbpf {

// Belongs to one owner until Stop, and frees itself when libuv has closed its handle. If the environment ends first
// (process exit, end of a worker), the poller stops itself and the environment waits for that.
class Poller {
 public:
  // Starts a poller and stores it in `*owner_slot`, which Stop empties. `on_readable` runs on the JavaScript thread and
  // may call Stop. Returns 0, or a positive errno.
  static int Start(Napi::Env env, int fd, std::function<void()> on_readable, Poller** owner_slot);
  // Stops polling. No call of on_readable begins after this, and the descriptor may be closed.
  void Stop();
  // Sets whether this descriptor alone keeps the event loop alive.
  void SetReferenced(bool referenced);
  // Sets whether to wait with calls of on_readable. A paused poller does not keep the event loop alive.
  void SetPaused(bool paused);

 private:
  Poller(std::function<void()> on_readable, Poller** owner_slot)
      : on_readable_(std::move(on_readable)), owner_slot_(owner_slot) {}

  void Listen();

  uv_poll_t handle_ = {};
  std::function<void()> on_readable_;
  Poller** owner_slot_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
};

// Calls a JavaScript function as an event. An exception in it becomes an uncaught exception, as for any event. Does
// nothing if an argument is nullptr, or if the thread is ending and JavaScript cannot run any more.
void Emit(napi_env env, const Napi::AsyncContext& context, const Napi::FunctionReference& function,
          std::initializer_list<napi_value> arguments);

}  // namespace libbpf
