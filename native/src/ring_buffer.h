// A BPF ring buffer's records, delivered on the event loop.
#pragma once

#include <bpf/libbpf.h>
#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "poller.h"

namespace libbpf {

class RingBuffer : public Napi::ObjectWrap<RingBuffer> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // (map: BpfMap, onRecords: (records: Uint8Array[]) => void)
  explicit RingBuffer(const Napi::CallbackInfo& info);
  ~RingBuffer() override;

 private:
  Napi::Value Consume(const Napi::CallbackInfo& info);
  void SetReferenced(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void OnReadable();
  // Takes the records that are there as an array, at most kRecordsPerRound; the rest waits for the event loop's next
  // round. Returns 0 or a positive errno. Leaves the array empty if JavaScript cannot run any more.
  int Take(napi_env env, napi_value* records);
  static int OnRecord(void* context, void* data, size_t size);

  std::unique_ptr<ring_buffer, decltype(&ring_buffer__free)> buffer_{nullptr, ring_buffer__free};
  Poller* poller_ = nullptr;
  Napi::FunctionReference on_records_;
  std::unique_ptr<Napi::AsyncContext> async_context_;
  std::vector<std::vector<uint8_t>> taken_;
  std::string name_;
};

}  // namespace libbpf
