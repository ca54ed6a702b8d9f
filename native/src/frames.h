// A socket that receives the frames of one interface that a filter lets through (packet(7)), on the event loop.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "poller.h"
#include "util.h"

namespace libbpf {

class FrameListener : public Napi::ObjectWrap<FrameListener> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // (ifindex: number, filter: Uint8Array, onFrames: (error: KernelError | undefined, frames?: Uint8Array[]) => void)
  // `filter` is a program of classic BPF: instructions of 8 bytes (struct sock_filter). Needs CAP_NET_RAW.
  explicit FrameListener(const Napi::CallbackInfo& info);
  ~FrameListener() override;

 private:
  static constexpr size_t kFramesPerCall = 64;
  // What is longer is cut off: whoever listens looks at headers.
  static constexpr size_t kLongestFrame = 2048;

  // Returns how many frames the kernel dropped for want of room since the last call (PACKET_STATISTICS).
  Napi::Value TakeDropped(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  void OnReadable();

  UniqueFd fd_;
  Poller* poller_ = nullptr;
  const std::unique_ptr<uint8_t[]> buffer_;
  Napi::FunctionReference on_frames_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
};

}  // namespace libbpf
