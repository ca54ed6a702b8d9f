// Program operations; see program.h.
#include "program.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "addon.h"
#include "error.h"

namespace libbpf {

namespace {

// A program may grow the packet, so the output buffer is a page larger than the input: XDP's headroom is less.
constexpr size_t kOutputSlack = 4096;

bpf_prog_info ReadInfo(Napi::Env env, int fd, const std::string& name) {
  bpf_prog_info details = {};
  uint32_t length = sizeof details;
  if (bpf_obj_get_info_by_fd(fd, &details, &length) != 0) ThrowErrno(env, errno, "bpf_obj_get_info_by_fd", name);
  return details;
}

std::span<uint8_t> OptionalBytes(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return {};
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    ThrowType(options.Env(), std::string(name) + " must be a Uint8Array");
  }
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

uint32_t OptionalUint32(const Napi::Object& options, const char* name, uint32_t fallback) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return fallback;
  return static_cast<uint32_t>(IntegerValue(options.Env(), value, name, 0, std::numeric_limits<int32_t>::max()));
}

}  // namespace

BpfProgram* ProgramArgument(const Napi::CallbackInfo& info, size_t index) {
  const auto& constructor = info.Env().GetInstanceData<AddonData>()->program;
  if (!info[index].IsObject() || !info[index].As<Napi::Object>().InstanceOf(constructor.Value())) {
    ThrowType(info.Env(), "program must be a BpfProgram");
  }
  return BpfProgram::Unwrap(info[index].As<Napi::Object>());
}

void BpfProgram::Register(Napi::Env env, Napi::Object exports) {
  const auto constructor = DefineClass(env, "BpfProgram",
                                       {
                                           StaticMethod<&BpfProgram::OpenPinned>("openPinned"),
                                           StaticMethod<&BpfProgram::OpenById>("openById"),
                                           StaticMethod<&BpfProgram::NextId>("nextId"),
                                           InstanceMethod<&BpfProgram::SetAutoload>("setAutoload"),
                                           InstanceAccessor<&BpfProgram::GetName>("name"),
                                           InstanceMethod<&BpfProgram::Info>("info"),
                                           InstanceMethod<&BpfProgram::Run>("run"),
                                           InstanceMethod<&BpfProgram::Pin>("pin"),
                                           InstanceMethod<&BpfProgram::Close>("close"),
                                       });
  env.GetInstanceData<AddonData>()->program = Napi::Persistent(constructor);
  exports["BpfProgram"] = constructor;
}

BpfProgram::BpfProgram(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfProgram>(info) {
  std::unique_ptr<ProgramPayload> payload(TakePayload<ProgramPayload>(info, "BpfProgram"));
  object_ = std::move(payload->object);
  program_ = payload->program;
  fd_ = std::move(payload->fd);
  name_ = program_ != nullptr ? bpf_program__name(program_) : ReadInfo(info.Env(), fd_.get(), "").name;
}

Napi::Value BpfProgram::OpenPinned(const Napi::CallbackInfo& info) {
  const std::string path = StringArgument(info, 0, "path");
  UniqueFd fd = OpenPinnedObject(info.Env(), path, "bpf-prog");
  return Construct(info.Env(), info.Env().GetInstanceData<AddonData>()->program,
                   new ProgramPayload{nullptr, nullptr, std::move(fd)});
}

Napi::Value BpfProgram::OpenById(const Napi::CallbackInfo& info) {
  const uint32_t id = Uint32Argument(info, 0, "id");
  UniqueFd fd(bpf_prog_get_fd_by_id(id));
  if (!fd) ThrowErrno(info.Env(), errno, "bpf_prog_get_fd_by_id", "program id " + std::to_string(id));
  return Construct(info.Env(), info.Env().GetInstanceData<AddonData>()->program,
                   new ProgramPayload{nullptr, nullptr, std::move(fd)});
}

// Returns the smallest program id above the given one; undefined after the last.
Napi::Value BpfProgram::NextId(const Napi::CallbackInfo& info) {
  uint32_t next = 0;
  const int result = bpf_prog_get_next_id(Uint32Argument(info, 0, "id"), &next);
  if (result == -ENOENT) return info.Env().Undefined();
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_prog_get_next_id", "all programs");
  return Napi::Number::New(info.Env(), next);
}

void BpfProgram::OnObjectLoaded(Napi::Env env) {
  const int fd = bpf_program__fd(program_);
  if (fd < 0) return;  // not loaded: setAutoload(false)
  fd_ = UniqueFd::Duplicate(fd);
  if (!fd_) ThrowErrno(env, errno, "dup", name_);
}

int BpfProgram::Fd(Napi::Env env, const char* call) const {
  if (!fd_) ThrowClosed(env, call, name_);
  return fd_.get();
}

void BpfProgram::SetAutoload(const Napi::CallbackInfo& info) {
  if (!object_ || object_->object == nullptr) ThrowClosed(info.Env(), "bpf_program__set_autoload", name_);
  const int result = bpf_program__set_autoload(program_, info[0].ToBoolean());
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_program__set_autoload", name_);
}

Napi::Value BpfProgram::GetName(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), name_); }

Napi::Value BpfProgram::Info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "info");
  bpf_prog_info details = ReadInfo(env, fd, name_);
  std::vector<uint32_t> map_ids(details.nr_map_ids);
  if (!map_ids.empty()) {
    const uint32_t count = details.nr_map_ids;
    details = {};
    details.nr_map_ids = count;
    details.map_ids = reinterpret_cast<uintptr_t>(map_ids.data());
    uint32_t length = sizeof details;
    if (bpf_obj_get_info_by_fd(fd, &details, &length) != 0) ThrowErrno(env, errno, "bpf_obj_get_info_by_fd", name_);
  }
  auto result = Napi::Object::New(env);
  // The kernel cuts names to 15 characters. A name from the object file is complete.
  result["name"] = name_;
  result["type"] = details.type;
  result["id"] = details.id;
  char tag[2 * BPF_TAG_SIZE + 1];
  for (int i = 0; i < BPF_TAG_SIZE; i++) std::snprintf(tag + 2 * i, 3, "%02x", details.tag[i]);
  result["tag"] = std::string(tag);
  result["translatedBytes"] = details.xlated_prog_len;
  result["jitedBytes"] = details.jited_prog_len;
  result["verifiedInstructions"] = details.verified_insns;
  result["btfId"] = details.btf_id;
  auto ids = Napi::Array::New(env, map_ids.size());
  for (uint32_t i = 0; i < map_ids.size(); i++) ids[i] = map_ids[i];
  result["mapIds"] = ids;
  return result;
}

Napi::Value BpfProgram::Run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "bpf_prog_test_run_opts");
  if (!info[0].IsObject()) ThrowType(env, "options must be an object");
  const auto options = info[0].As<Napi::Object>();
  const auto data = OptionalBytes(options, "data");
  const auto context = OptionalBytes(options, "context");
  const uint32_t flags = OptionalUint32(options, "flags", 0);
  const bool live = (flags & BPF_F_TEST_XDP_LIVE_FRAMES) != 0;  // frames are transmitted, not returned

  std::vector<uint8_t> data_out(data.empty() || live ? 0 : data.size() + kOutputSlack);
  std::vector<uint8_t> context_out(live ? 0 : context.size());
  LIBBPF_OPTS(bpf_test_run_opts, run);
  run.data_in = data.empty() ? nullptr : data.data();
  run.data_size_in = data.size();
  run.data_out = data_out.empty() ? nullptr : data_out.data();
  run.data_size_out = data_out.size();
  run.ctx_in = context.empty() ? nullptr : context.data();
  run.ctx_size_in = context.size();
  run.ctx_out = context_out.empty() ? nullptr : context_out.data();
  run.ctx_size_out = context_out.size();
  run.repeat = static_cast<int>(OptionalUint32(options, "repeat", live ? 1 : 0));
  run.batch_size = OptionalUint32(options, "batchSize", 0);
  run.flags = flags;
  const int result = bpf_prog_test_run_opts(fd, &run);
  if (result != 0) ThrowErrno(env, -result, "bpf_prog_test_run_opts", name_);

  auto output = Napi::Object::New(env);
  output["returnValue"] = run.retval;
  output["durationNs"] = run.duration;
  output["data"] = CopyToBuffer(env, std::span(data_out).first(data_out.empty() ? 0 : run.data_size_out));
  output["context"] = CopyToBuffer(env, std::span(context_out).first(context_out.empty() ? 0 : run.ctx_size_out));
  return output;
}

void BpfProgram::Pin(const Napi::CallbackInfo& info) {
  const std::string path = StringArgument(info, 0, "path");
  const int result = bpf_obj_pin(Fd(info.Env(), "bpf_obj_pin"), path.c_str());
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_obj_pin", path);
}

void BpfProgram::Close(const Napi::CallbackInfo&) {
  fd_.Reset();
  object_.reset();
  program_ = nullptr;
}

}  // namespace libbpf
