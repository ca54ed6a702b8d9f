// uv_poll with the lifetime rules of a Node-API environment; see poller.h.
#include "poller.h"

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
  // A negative status (a descriptor gone bad) is for the read to report, so that errors have one place.
  uv_poll_start(&poller->handle_, UV_READABLE,
                [](uv_poll_t* handle, int, int) { static_cast<Poller*>(handle->data)->on_readable_(); });
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle, void* data) { static_cast<Poller*>(data)->Stop(); }, poller,
      &poller->cleanup_hook_);
  *owner_slot = poller;
  return 0;
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

}  // namespace libbpf
