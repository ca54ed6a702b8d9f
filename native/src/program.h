// A BPF program: its properties, and test runs.
#pragma once

#include <bpf/libbpf.h>
#include <napi.h>

#include <memory>
#include <string>

#include "object.h"
#include "util.h"

namespace libbpf {

// A program of an object (`object` and `program` are set, `fd` once it is loaded) or one opened by pin or id (only
// `fd`).
struct ProgramPayload {
  std::shared_ptr<ObjectState> object;
  bpf_program* program;
  UniqueFd fd;
};

class BpfProgram : public Napi::ObjectWrap<BpfProgram> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit BpfProgram(const Napi::CallbackInfo& info);

  void OnObjectLoaded(Napi::Env env);
  int Fd(Napi::Env env, const char* call) const;
  const std::string& name() const { return name_; }

 private:
  static Napi::Value OpenPinned(const Napi::CallbackInfo& info);
  static Napi::Value OpenById(const Napi::CallbackInfo& info);
  static Napi::Value NextId(const Napi::CallbackInfo& info);

  void SetAutoload(const Napi::CallbackInfo& info);
  Napi::Value GetName(const Napi::CallbackInfo& info);
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value Run(const Napi::CallbackInfo& info);
  void Pin(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  std::shared_ptr<ObjectState> object_;
  bpf_program* program_ = nullptr;
  UniqueFd fd_;
  std::string name_;
};

// Returns the argument. Throws if it is no BpfProgram.
BpfProgram* ProgramArgument(const Napi::CallbackInfo& info, size_t index);

}  // namespace libbpf
