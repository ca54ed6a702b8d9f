// A BPF object file: opened, configured, loaded. Handles of its maps and programs outlive it once it is loaded.
#pragma once

#include <bpf/libbpf.h>
#include <napi.h>

#include <memory>
#include <string>

namespace libbpf {

// Shared by the handles of the object, its maps and its programs, so that none uses freed memory, in whatever order
// JavaScript's garbage collector closes them.
struct ObjectState {
  explicit ObjectState(std::string object_name) : name(std::move(object_name)) {}
  ~ObjectState() { Close(); }
  ObjectState(const ObjectState&) = delete;
  ObjectState& operator=(const ObjectState&) = delete;

  void Close() {
    closed = true;
    // While another thread loads the object, it has the object and writes the log.
    if (object == nullptr) return;
    bpf_object__close(std::exchange(object, nullptr));
    kernel_log.reset();
  }

  bpf_object* object = nullptr;
  std::string name;
  bool loaded = false;
  bool closed = false;
  std::unique_ptr<char[]> kernel_log;  // libbpf keeps a pointer into it until the object is loaded
};

class BpfObject : public Napi::ObjectWrap<BpfObject> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // (bytes: Uint8Array, name: string)
  explicit BpfObject(const Napi::CallbackInfo& info);

  // Gives the handles of maps and programs their file descriptors.
  void OnLoaded(Napi::Env env);

 private:
  Napi::Value GetMaps(const Napi::CallbackInfo& info);
  Napi::Value GetPrograms(const Napi::CallbackInfo& info);
  void Load(const Napi::CallbackInfo& info);
  Napi::Value LoadAsync(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  std::shared_ptr<ObjectState> state_;
  Napi::Reference<Napi::Array> maps_;
  Napi::Reference<Napi::Array> programs_;
};

}  // namespace libbpf
