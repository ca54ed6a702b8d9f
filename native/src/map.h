// A BPF map: configured before its object is loaded, read and written after. An array's memory can be mapped.
#pragma once

#include <bpf/libbpf.h>
#include <napi.h>

#include <memory>
#include <string>

#include "object.h"
#include "util.h"

namespace libbpf {

// A map of an object (`object` and `map` are set, `fd` once it is loaded) or a map opened by pin or id (only `fd`).
struct MapPayload {
  std::shared_ptr<ObjectState> object;
  bpf_map* map;
  UniqueFd fd;
};

class BpfMap : public Napi::ObjectWrap<BpfMap> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit BpfMap(const Napi::CallbackInfo& info);

  // Duplicates the map's descriptor, so that the handle outlives the object.
  void OnObjectLoaded(Napi::Env env);
  // Returns the descriptor. Throws if the map is not loaded, or closed.
  int Fd(Napi::Env env, const char* call) const;
  const std::string& name() const { return name_; }

 private:
  static Napi::Value OpenPinned(const Napi::CallbackInfo& info);
  static Napi::Value OpenById(const Napi::CallbackInfo& info);
  static Napi::Value NextId(const Napi::CallbackInfo& info);

  void SetMaxEntries(const Napi::CallbackInfo& info);
  void SetValueSize(const Napi::CallbackInfo& info);
  void SetAutocreate(const Napi::CallbackInfo& info);
  void SetInitialValue(const Napi::CallbackInfo& info);
  void Reuse(const Napi::CallbackInfo& info);

  Napi::Value GetName(const Napi::CallbackInfo& info);
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value FdInfo(const Napi::CallbackInfo& info);
  Napi::Value Lookup(const Napi::CallbackInfo& info);
  void Update(const Napi::CallbackInfo& info);
  Napi::Value Delete(const Napi::CallbackInfo& info);
  Napi::Value Take(const Napi::CallbackInfo& info);
  Napi::Value NextKey(const Napi::CallbackInfo& info);
  Napi::Value LookupBatch(const Napi::CallbackInfo& info);
  Napi::Value UpdateBatch(const Napi::CallbackInfo& info);
  Napi::Value DeleteBatch(const Napi::CallbackInfo& info);
  Napi::Value Mmap(const Napi::CallbackInfo& info);
  void Freeze(const Napi::CallbackInfo& info);
  void Pin(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  // Returns the map before load. Throws if the object is loaded or closed.
  bpf_map* Configurable(Napi::Env env, const char* call) const;
  void ReadInfo(Napi::Env env);
  size_t KeyBytes() const { return key_size_; }
  // Returns the key's bytes; nullptr for queues and stacks, which have no keys and refuse a pointer to one.
  const uint8_t* KeyArgument(const Napi::CallbackInfo& info, size_t index) const;

  std::shared_ptr<ObjectState> object_;
  bpf_map* map_ = nullptr;
  UniqueFd fd_;
  std::string name_;
  uint32_t type_ = 0;
  uint32_t id_ = 0;
  uint32_t key_size_ = 0;
  uint32_t value_size_ = 0;
  uint32_t max_entries_ = 0;
  uint32_t flags_ = 0;
  uint32_t btf_id_ = 0;
  uint32_t btf_key_type_id_ = 0;
  uint32_t btf_value_type_id_ = 0;
  uint32_t vmlinux_value_type_id_ = 0;  // for struct_ops, whose values have types of the kernel
  uint64_t map_extra_ = 0;
  size_t value_bytes_ = 0;  // the length of a lookup's result: for per-CPU maps a padded value for each CPU
};

// The memory of an array map, mapped into the process. Bytes are copied in and out, and the memory is never exposed to
// JavaScript: no buffer can dangle after close, be written when read-only, or be transferred to another thread.
class Mapping : public Napi::ObjectWrap<Mapping> {
 public:
  // Unmapped with its last holder, which may be work in another thread that continues after close.
  struct Region {
    uint8_t* address;
    size_t length;  // of the mapping: whole pages
    ~Region();
  };
  struct Payload {
    std::shared_ptr<Region> region;  // empty after close
    size_t visible_bytes;            // of the map's elements
    bool writable;
    std::string name;
  };

  static void Register(Napi::Env env, Napi::Object exports);
  explicit Mapping(const Napi::CallbackInfo& info);

  // Returns the memory of a writable mapping, for work in another thread. Throws if it is closed or read-only.
  static const Payload& WritableArgument(Napi::Env env, Napi::Value value, const char* name);

 private:
  Napi::Value GetByteLength(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  void Write(const Napi::CallbackInfo& info);
  void Zero(const Napi::CallbackInfo& info);
  Napi::Value Load32(const Napi::CallbackInfo& info);
  void Store32(const Napi::CallbackInfo& info);
  Napi::Value Exchange64(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  // Returns the address of [offset, offset + length). Throws if it is out of bounds.
  uint8_t* At(Napi::Env env, int64_t offset, size_t length, const char* call) const;
  int64_t OffsetArgument(const Napi::CallbackInfo& info) const;
  void RequireWritable(Napi::Env env, const char* call) const;

  std::unique_ptr<Payload> map_;
};

}  // namespace libbpf
