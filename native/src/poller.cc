// uv_poll with the lifetime of a Node-API environment; see poller.h.
#include "poller.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace libbpf {

int Poller::Start(Napi::Env env, int fd, std::function<void()> on_readable, Poller** owner_slot) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return EINVAL;
  auto* poller = new Poller(std::move(on_readable), owner_slot);
  const int result = uv_poll_init(loop, &poller->handle_, fd);
  if (result != 0) {
    delete poller;
    return -result;
  }
  poller->handle_.data = poller;
  poller->Listen();
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle, void* data) { static_cast<Poller*>(data)->Stop(); }, poller,
      &poller->cleanup_hook_);
  *owner_slot = poller;
  return 0;
}

void Poller::Listen() {
  uv_poll_start(&handle_, UV_READABLE, [](uv_poll_t* handle, int status, int) {
    auto* poller = static_cast<Poller*>(handle->data);
    // libuv has stopped polling when it reports an error (uv__poll_io). The read that follows returns the error, so
    // that errors are handled in one place. A socket that lost datagrams works again after the read.
    if (status < 0) poller->Listen();
    poller->on_readable_();
  });
}

void Poller::Stop() {
  if (owner_slot_ == nullptr) return;  // stopping already
  *std::exchange(owner_slot_, nullptr) = nullptr;
  uv_poll_stop(&handle_);
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_), [](uv_handle_t* handle) {
    auto* self = static_cast<Poller*>(handle->data);
    napi_remove_async_cleanup_hook(self->cleanup_hook_);
    delete self;
  });
}

void Poller::SetReferenced(bool referenced) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&handle_);
  if (referenced) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void Poller::SetPaused(bool paused) {
  if (paused) {
    uv_poll_stop(&handle_);
  } else {
    Listen();
  }
}

// Uses only calls that report failure by their status. All calls fail in a worker thread that is being terminated, and
// node-addon-api's exceptions would end the whole process then.
void Emit(napi_env env, const Napi::AsyncContext& context, const Napi::FunctionReference& function,
          std::initializer_list<napi_value> arguments) {
  napi_value receiver = nullptr;
  if (std::find(arguments.begin(), arguments.end(), nullptr) != arguments.end() ||
      napi_get_global(env, &receiver) != napi_ok) {
    return;
  }
  napi_value result = nullptr;
  if (napi_make_callback(env, context, receiver, function.Value(), arguments.size(), arguments.begin(), &result) !=
      napi_pending_exception) {
    return;
  }
  napi_value exception = nullptr;
  napi_valuetype type = napi_undefined;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok && napi_typeof(env, exception, &type) == napi_ok &&
      type != napi_null) {  // V8 throws null when the thread is terminated
    napi_fatal_exception(env, exception);
  }
}

}  // namespace libbpf
