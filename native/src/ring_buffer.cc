// Ring buffer consumption; see ring_buffer.h.
#include "ring_buffer.h"

#include <cerrno>

#include "addon.h"
#include "error.h"
#include "map.h"
#include "util.h"

namespace libbpf {

namespace {

// A producer that never pauses must not keep JavaScript's other work waiting.
constexpr size_t kRecordsPerRound = 1024;

}  // namespace

void RingBuffer::Register(Napi::Env env, Napi::Object exports) {
  exports["RingBuffer"] = DefineClass(env, "RingBuffer",
                                      {
                                          InstanceMethod<&RingBuffer::Consume>("consume"),
                                          InstanceMethod<&RingBuffer::SetReferenced>("setReferenced"),
                                          InstanceMethod<&RingBuffer::Close>("close"),
                                      });
}

RingBuffer::RingBuffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RingBuffer>(info) {
  const Napi::Env env = info.Env();
  const auto& constructor = env.GetInstanceData<AddonData>()->map;
  if (!info[0].IsObject() || !info[0].As<Napi::Object>().InstanceOf(constructor.Value())) {
    ThrowType(env, "map must be a BpfMap");
  }
  if (!info[1].IsFunction()) ThrowType(env, "onRecords must be a function");
  const BpfMap* map = BpfMap::Unwrap(info[0].As<Napi::Object>());
  name_ = map->name();
  LogCapture capture;
  buffer_.reset(ring_buffer__new(map->Fd(env, "ring_buffer__new"), OnRecord, this, nullptr));
  if (!buffer_) ThrowErrno(env, errno, "ring_buffer__new", name_, capture.text());
  const int error = Poller::Start(env, ring_buffer__epoll_fd(buffer_.get()), [this] { OnReadable(); }, &poller_);
  if (error != 0) ThrowErrno(env, error, "uv_poll_init", name_);
  on_records_ = Napi::Persistent(info[1].As<Napi::Function>());
  async_context_ = std::make_unique<Napi::AsyncContext>(env, "RingBuffer");
  Ref();  // records keep coming until close: the garbage collector must not end that
}

RingBuffer::~RingBuffer() {
  if (poller_ != nullptr) poller_->Stop();
}

int RingBuffer::OnRecord(void* context, void* data, size_t size) {
  auto* self = static_cast<RingBuffer*>(context);
  const auto* bytes = static_cast<const uint8_t*>(data);
  self->taken_.emplace_back(bytes, bytes + size);
  // A negative value ends the round; libbpf counts the record as consumed nevertheless.
  return self->taken_.size() < kRecordsPerRound ? 0 : -EAGAIN;
}

Napi::Array RingBuffer::Take(Napi::Env env) {
  const int result = ring_buffer__consume(buffer_.get());
  const auto taken = std::exchange(taken_, {});
  if (result < 0 && result != -EAGAIN) ThrowErrno(env, -result, "ring_buffer__consume", name_);
  auto records = Napi::Array::New(env, taken.size());
  for (uint32_t i = 0; i < taken.size(); i++) records[i] = CopyToBuffer(env, taken[i]);
  return records;
}

void RingBuffer::OnReadable() {
  const Napi::Env env = Env();
  Napi::HandleScope scope(env);
  try {
    const auto records = Take(env);
    if (records.Length() > 0) on_records_.MakeCallback(Value(), {records}, *async_context_);
  } catch (const Napi::Error& error) {
    // An exception of the callback's, or of ours: as for any event, it is the process's uncaught exception.
    napi_fatal_exception(env, error.Value());
  }
}

Napi::Value RingBuffer::Consume(const Napi::CallbackInfo& info) {
  if (!buffer_) ThrowClosed(info.Env(), "ring_buffer__consume", name_);
  return Take(info.Env());
}

void RingBuffer::SetReferenced(const Napi::CallbackInfo& info) {
  if (poller_ != nullptr) poller_->SetReferenced(info[0].ToBoolean());
}

void RingBuffer::Close(const Napi::CallbackInfo&) {
  if (!buffer_) return;
  if (poller_ != nullptr) poller_->Stop();
  buffer_.reset();
  Unref();
}

}  // namespace libbpf
