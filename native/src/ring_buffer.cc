// Ring buffer consumption; see ring_buffer.h.
#include "ring_buffer.h"

#include <cerrno>

#include "addon.h"
#include "error.h"
#include "map.h"
#include "util.h"

namespace libbpf {

namespace {

// So that a producer that never pauses does not block other JavaScript.
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
  Ref();  // keeps the garbage collector from ending the delivery before close
}

RingBuffer::~RingBuffer() {
  if (poller_ != nullptr) poller_->Stop();
}

int RingBuffer::OnRecord(void* context, void* data, size_t size) {
  auto* self = static_cast<RingBuffer*>(context);
  const auto* bytes = static_cast<const uint8_t*>(data);
  self->taken_.emplace_back(bytes, bytes + size);
  // A negative value ends the round, but libbpf has consumed this record.
  return self->taken_.size() < kRecordsPerRound ? 0 : -EAGAIN;
}

int RingBuffer::Take(napi_env env, napi_value* records) {
  const int result = ring_buffer__consume(buffer_.get());
  const auto taken = std::exchange(taken_, {});
  *records = nullptr;
  if (result < 0 && result != -EAGAIN) return -result;
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, taken.size(), &array) != napi_ok) return 0;
  for (uint32_t i = 0; i < taken.size(); i++) {
    napi_value record = nullptr;
    if (napi_create_buffer_copy(env, taken[i].size(), taken[i].data(), nullptr, &record) != napi_ok ||
        napi_set_element(env, array, i, record) != napi_ok) {
      return 0;
    }
  }
  *records = array;
  return 0;
}

void RingBuffer::OnReadable() {
  const Napi::Env env = Env();
  Napi::HandleScope scope(env);
  napi_value records = nullptr;
  const int error = Take(env, &records);
  if (error != 0) {
    // There is no caller to report to, so this becomes an uncaught exception.
    napi_value exception = MakeKernelError(env, error, "ring_buffer__consume", name_);
    if (exception != nullptr) napi_fatal_exception(env, exception);
    return;
  }
  uint32_t count = 0;
  if (records != nullptr && napi_get_array_length(env, records, &count) == napi_ok && count > 0) {
    Emit(env, *async_context_, on_records_, {records});
  }
}

Napi::Value RingBuffer::Consume(const Napi::CallbackInfo& info) {
  if (!buffer_) ThrowClosed(info.Env(), "ring_buffer__consume", name_);
  napi_value records = nullptr;
  const int error = Take(info.Env(), &records);
  if (error != 0) ThrowErrno(info.Env(), error, "ring_buffer__consume", name_);
  return Napi::Value(info.Env(), records);
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
