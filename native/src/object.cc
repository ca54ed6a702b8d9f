// Opening and loading BPF objects; see object.h.
#include "object.h"

#include <cerrno>

#include "addon.h"
#include "error.h"
#include "map.h"
#include "program.h"
#include "util.h"

namespace libbpf {

namespace {

// The size of the verifier's log. Untouched pages cost nothing. It is large because before kernel 6.4 a load fails with
// ENOSPC if its log does not fit.
constexpr size_t kKernelLogBytes = 16 << 20;

std::string LogOf(const ObjectState& state, const LogCapture& capture) {
  const std::string kernel_log = state.kernel_log ? state.kernel_log.get() : "";
  return kernel_log.empty() ? capture.text() : kernel_log;
}

// Loads an object in another thread, since the verifier may take a second. Meanwhile the object's handles behave as if
// they were closed.
class LoadWork : public Napi::AsyncWorker {
 public:
  LoadWork(Napi::Env env, const Napi::Object& handle, std::shared_ptr<ObjectState> state)
      : Napi::AsyncWorker(env, "bpf_object__load"),
        deferred_(Napi::Promise::Deferred::New(env)),
        handle_(Napi::Persistent(handle)),
        state_(std::move(state)),
        object_(std::exchange(state_->object, nullptr)) {}

  // The result does not reach JavaScript if the thread that called has ended.
  ~LoadWork() override { bpf_object__close(object_); }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    LogCapture capture;
    result_ = bpf_object__load(object_);
    if (result_ != 0) log_ = LogOf(*state_, capture);
  }

  void OnOK() override {
    state_->object = std::exchange(object_, nullptr);
    if (state_->closed) state_->Close();
    try {
      if (state_->object == nullptr) ThrowClosed(Env(), "bpf_object__load", state_->name);
      if (result_ != 0) ThrowErrno(Env(), -result_, "bpf_object__load", state_->name, log_);
      BpfObject::Unwrap(handle_.Value())->OnLoaded(Env());
      deferred_.Resolve(Env().Undefined());
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference handle_;
  std::shared_ptr<ObjectState> state_;
  bpf_object* object_;
  int result_ = 0;
  std::string log_;
};

}  // namespace

void BpfObject::Register(Napi::Env env, Napi::Object exports) {
  exports["BpfObject"] = DefineClass(env, "BpfObject",
                                     {
                                         InstanceAccessor<&BpfObject::GetMaps>("maps"),
                                         InstanceAccessor<&BpfObject::GetPrograms>("programs"),
                                         InstanceMethod<&BpfObject::Load>("load"),
                                         InstanceMethod<&BpfObject::LoadAsync>("loadAsync"),
                                         InstanceMethod<&BpfObject::Close>("close"),
                                     });
}

BpfObject::BpfObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfObject>(info) {
  const Napi::Env env = info.Env();
  const auto bytes = BytesArgument(info, 0, "bytes");
  state_ = std::make_shared<ObjectState>(StringArgument(info, 1, "name"));
  state_->kernel_log.reset(new char[kKernelLogBytes]);
  state_->kernel_log[0] = '\0';

  LIBBPF_OPTS(bpf_object_open_opts, options);
  options.object_name = state_->name.c_str();
  options.kernel_log_buf = state_->kernel_log.get();
  options.kernel_log_size = kKernelLogBytes;
  LogCapture capture;
  state_->object = bpf_object__open_mem(bytes.data(), bytes.size(), &options);
  if (state_->object == nullptr) ThrowErrno(env, errno, "bpf_object__open_mem", state_->name, capture.text());

  const auto* data = env.GetInstanceData<AddonData>();
  auto maps = Napi::Array::New(env);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, state_->object) {
    maps[maps.Length()] = Construct(env, data->map, new MapPayload{state_, map, UniqueFd()});
  }
  auto programs = Napi::Array::New(env);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, state_->object) {
    programs[programs.Length()] = Construct(env, data->program, new ProgramPayload{state_, program, UniqueFd()});
  }
  maps_ = Napi::Persistent(maps);
  programs_ = Napi::Persistent(programs);
}

Napi::Value BpfObject::GetMaps(const Napi::CallbackInfo&) { return maps_.Value(); }

Napi::Value BpfObject::GetPrograms(const Napi::CallbackInfo&) { return programs_.Value(); }

void BpfObject::Load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (state_->object == nullptr) ThrowClosed(env, "bpf_object__load", state_->name);
  LogCapture capture;
  const int result = bpf_object__load(state_->object);
  if (result != 0) ThrowErrno(env, -result, "bpf_object__load", state_->name, LogOf(*state_, capture));
  OnLoaded(env);
}

Napi::Value BpfObject::LoadAsync(const Napi::CallbackInfo& info) {
  if (state_->object == nullptr) ThrowClosed(info.Env(), "bpf_object__load", state_->name);
  auto* work = new LoadWork(info.Env(), info.This().As<Napi::Object>(), state_);  // deletes itself
  const auto promise = work->promise();
  work->Queue();
  return promise;
}

void BpfObject::OnLoaded(Napi::Env env) {
  state_->loaded = true;
  state_->kernel_log.reset();

  const auto maps = maps_.Value();
  for (uint32_t i = 0; i < maps.Length(); i++) {
    BpfMap::Unwrap(maps.Get(i).As<Napi::Object>())->OnObjectLoaded(env);
  }
  const auto programs = programs_.Value();
  for (uint32_t i = 0; i < programs.Length(); i++) {
    BpfProgram::Unwrap(programs.Get(i).As<Napi::Object>())->OnObjectLoaded(env);
  }
}

void BpfObject::Close(const Napi::CallbackInfo&) { state_->Close(); }

}  // namespace libbpf
