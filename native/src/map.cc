// Map operations; see map.h. Arguments and errors are documented in src/libbpf/map.ts, which users call.
#include "map.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "addon.h"
#include "error.h"

namespace libbpf {

namespace {

// The alignment of array elements, and of each CPU's value in per-CPU maps (kernel/bpf/arraymap.c).
constexpr size_t kElementAlignment = 8;

size_t RoundUp(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

bool IsPerCpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

// Returns the size of the token that batch operations pass from call to call: at least four bytes, for all maps.
size_t BatchTokenBytes(size_t key_bytes) { return std::max<size_t>(key_bytes, sizeof(uint32_t)); }

// Gives the array at the end of the value's struct as many elements as fit into `size`, so that the map keeps its type
// information when its size is set before load. Does nothing for values of other types. libbpf does the same
// for global variables since 1.3 (map_btf_datasec_resize in libbpf.c), but not for maps.
void ResizeValueType(bpf_object* object, const bpf_map* map, uint32_t size) {
  btf* types = bpf_object__btf(object);
  if (types == nullptr) return;
  const uint32_t id = bpf_map__btf_value_type_id(map);
  const btf_type* value = btf__type_by_id(types, id);
  if (value == nullptr || !btf_is_struct(value) || btf_vlen(value) == 0) return;

  const uint16_t last = btf_vlen(value) - 1;
  const uint32_t last_offset = btf_member_bit_offset(value, last) / 8;
  const btf_type* member = btf__type_by_id(types, btf_members(value)[last].type);
  if (member == nullptr || !btf_is_array(member) || size < last_offset) return;
  const uint32_t element_type = btf_array(member)->type;
  const uint32_t index_type = btf_array(member)->index_type;
  const int64_t element_bytes = btf__resolve_size(types, element_type);
  if (element_bytes <= 0 || (size - last_offset) % element_bytes != 0) return;

  const int array = btf__add_array(types, static_cast<int>(index_type), static_cast<int>(element_type),
                                   (size - last_offset) / element_bytes);
  if (array < 0) return;
  // Adding a type may have moved the others, so look this one up again. There is no setter for a member's type.
  auto* resized = const_cast<btf_type*>(btf__type_by_id(types, id));
  btf_members(resized)[last].type = static_cast<uint32_t>(array);
  resized->size = size;
}

}  // namespace

void BpfMap::Register(Napi::Env env, Napi::Object exports) {
  const auto constructor = DefineClass(env, "BpfMap",
                                       {
                                           StaticMethod<&BpfMap::OpenPinned>("openPinned"),
                                           StaticMethod<&BpfMap::OpenById>("openById"),
                                           StaticMethod<&BpfMap::NextId>("nextId"),
                                           InstanceMethod<&BpfMap::SetMaxEntries>("setMaxEntries"),
                                           InstanceMethod<&BpfMap::SetValueSize>("setValueSize"),
                                           InstanceMethod<&BpfMap::SetAutocreate>("setAutocreate"),
                                           InstanceMethod<&BpfMap::SetInitialValue>("setInitialValue"),
                                           InstanceMethod<&BpfMap::Reuse>("reuse"),
                                           InstanceAccessor<&BpfMap::GetName>("name"),
                                           InstanceMethod<&BpfMap::Info>("info"),
                                           InstanceMethod<&BpfMap::FdInfo>("fdInfo"),
                                           InstanceMethod<&BpfMap::Lookup>("lookup"),
                                           InstanceMethod<&BpfMap::Update>("update"),
                                           InstanceMethod<&BpfMap::Delete>("delete"),
                                           InstanceMethod<&BpfMap::Take>("take"),
                                           InstanceMethod<&BpfMap::NextKey>("nextKey"),
                                           InstanceMethod<&BpfMap::LookupBatch>("lookupBatch"),
                                           InstanceMethod<&BpfMap::UpdateBatch>("updateBatch"),
                                           InstanceMethod<&BpfMap::DeleteBatch>("deleteBatch"),
                                           InstanceMethod<&BpfMap::Mmap>("mmap"),
                                           InstanceMethod<&BpfMap::Freeze>("freeze"),
                                           InstanceMethod<&BpfMap::Pin>("pin"),
                                           InstanceMethod<&BpfMap::Close>("close"),
                                       });
  env.GetInstanceData<AddonData>()->map = Napi::Persistent(constructor);
  exports["BpfMap"] = constructor;
}

BpfMap::BpfMap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfMap>(info) {
  std::unique_ptr<MapPayload> payload(TakePayload<MapPayload>(info, "BpfMap"));
  object_ = std::move(payload->object);
  map_ = payload->map;
  fd_ = std::move(payload->fd);
  if (fd_) {
    ReadInfo(info.Env());
  } else {
    name_ = bpf_map__name(map_);
  }
}

Napi::Value BpfMap::OpenPinned(const Napi::CallbackInfo& info) {
  const std::string path = StringArgument(info, 0, "path");
  UniqueFd fd = OpenPinnedObject(info.Env(), path, "bpf-map");
  return Construct(info.Env(), info.Env().GetInstanceData<AddonData>()->map,
                   new MapPayload{nullptr, nullptr, std::move(fd)});
}

Napi::Value BpfMap::OpenById(const Napi::CallbackInfo& info) {
  const uint32_t id = Uint32Argument(info, 0, "id");
  UniqueFd fd(bpf_map_get_fd_by_id(id));
  if (!fd) ThrowErrno(info.Env(), errno, "bpf_map_get_fd_by_id", "map id " + std::to_string(id));
  return Construct(info.Env(), info.Env().GetInstanceData<AddonData>()->map,
                   new MapPayload{nullptr, nullptr, std::move(fd)});
}

// Returns the smallest map id above the given one; undefined after the last.
Napi::Value BpfMap::NextId(const Napi::CallbackInfo& info) {
  uint32_t next = 0;
  const int result = bpf_map_get_next_id(Uint32Argument(info, 0, "id"), &next);
  if (result == -ENOENT) return info.Env().Undefined();
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_map_get_next_id", "all maps");
  return Napi::Number::New(info.Env(), next);
}

void BpfMap::OnObjectLoaded(Napi::Env env) {
  const int fd = bpf_map__fd(map_);
  if (fd < 0) return;  // not created: setAutocreate(false)
  fd_ = UniqueFd::Duplicate(fd);
  if (!fd_) ThrowErrno(env, errno, "dup", name_);
  ReadInfo(env);
}

int BpfMap::Fd(Napi::Env env, const char* call) const {
  if (!fd_) ThrowClosed(env, call, name_);
  return fd_.get();
}

bpf_map* BpfMap::Configurable(Napi::Env env, const char* call) const {
  if (!object_ || object_->object == nullptr) ThrowClosed(env, call, name_);
  if (object_->loaded) ThrowErrno(env, EBUSY, call, name_, "the object is loaded already");
  return map_;
}

void BpfMap::ReadInfo(Napi::Env env) {
  bpf_map_info details = {};
  uint32_t length = sizeof details;
  if (bpf_obj_get_info_by_fd(fd_.get(), &details, &length) != 0) {
    ThrowErrno(env, errno, "bpf_obj_get_info_by_fd", name_);
  }
  // The kernel cuts names to 15 characters. A name from the object file is complete.
  if (name_.empty()) name_ = details.name;
  type_ = details.type;
  id_ = details.id;
  key_size_ = details.key_size;
  value_size_ = details.value_size;
  max_entries_ = details.max_entries;
  flags_ = details.map_flags;
  btf_id_ = details.btf_id;
  btf_key_type_id_ = details.btf_key_type_id;
  btf_value_type_id_ = details.btf_value_type_id;
  vmlinux_value_type_id_ = details.btf_vmlinux_value_type_id;
  map_extra_ = details.map_extra;
  value_bytes_ = IsPerCpu(type_) ? RoundUp(value_size_, kElementAlignment) * libbpf_num_possible_cpus() : value_size_;
}

void BpfMap::SetMaxEntries(const Napi::CallbackInfo& info) {
  bpf_map* map = Configurable(info.Env(), "bpf_map__set_max_entries");
  const int result = bpf_map__set_max_entries(map, Uint32Argument(info, 0, "maxEntries"));
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_map__set_max_entries", name_);
}

void BpfMap::SetValueSize(const Napi::CallbackInfo& info) {
  bpf_map* map = Configurable(info.Env(), "bpf_map__set_value_size");
  const uint32_t size = Uint32Argument(info, 0, "valueSize");
  const int result = bpf_map__set_value_size(map, size);
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_map__set_value_size", name_);
  ResizeValueType(object_->object, map, size);
}

void BpfMap::SetAutocreate(const Napi::CallbackInfo& info) {
  bpf_map* map = Configurable(info.Env(), "bpf_map__set_autocreate");
  const int result = bpf_map__set_autocreate(map, info[0].ToBoolean());
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_map__set_autocreate", name_);
}

void BpfMap::SetInitialValue(const Napi::CallbackInfo& info) {
  bpf_map* map = Configurable(info.Env(), "bpf_map__set_initial_value");
  const auto value = BytesArgument(info, 0, "value", bpf_map__value_size(map));
  const int result = bpf_map__set_initial_value(map, value.data(), value.size());
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_map__set_initial_value", name_);
}

void BpfMap::Reuse(const Napi::CallbackInfo& info) {
  bpf_map* map = Configurable(info.Env(), "bpf_map__reuse_fd");
  const auto& constructor = info.Env().GetInstanceData<AddonData>()->map;
  if (!info[0].IsObject() || !info[0].As<Napi::Object>().InstanceOf(constructor.Value())) {
    ThrowType(info.Env(), "other must be a BpfMap");
  }
  const int fd = BpfMap::Unwrap(info[0].As<Napi::Object>())->Fd(info.Env(), "bpf_map__reuse_fd");
  LogCapture capture;
  const int result = bpf_map__reuse_fd(map, fd);
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_map__reuse_fd", name_, capture.text());
}

Napi::Value BpfMap::GetName(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), name_); }

Napi::Value BpfMap::Info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto result = Napi::Object::New(env);
  result["name"] = name_;
  if (!fd_ && map_ != nullptr && object_->object != nullptr) {
    result["type"] = static_cast<uint32_t>(bpf_map__type(map_));
    result["keySize"] = bpf_map__key_size(map_);
    result["valueSize"] = bpf_map__value_size(map_);
    result["maxEntries"] = bpf_map__max_entries(map_);
    result["flags"] = bpf_map__map_flags(map_);
    result["valueBytes"] = bpf_map__value_size(map_);
    result["id"] = 0;
    result["btfId"] = 0;
    result["btfKeyTypeId"] = bpf_map__btf_key_type_id(map_);
    result["btfValueTypeId"] = bpf_map__btf_value_type_id(map_);
    result["vmlinuxValueTypeId"] = 0;
    result["extra"] = Napi::BigInt::New(env, static_cast<uint64_t>(bpf_map__map_extra(map_)));
    return result;
  }
  Fd(env, "info");
  result["type"] = type_;
  result["keySize"] = key_size_;
  result["valueSize"] = value_size_;
  result["maxEntries"] = max_entries_;
  result["flags"] = flags_;
  result["valueBytes"] = static_cast<double>(value_bytes_);
  result["id"] = id_;
  result["btfId"] = btf_id_;
  result["btfKeyTypeId"] = btf_key_type_id_;
  result["btfValueTypeId"] = btf_value_type_id_;
  result["vmlinuxValueTypeId"] = vmlinux_value_type_id_;
  result["extra"] = Napi::BigInt::New(env, map_extra_);
  return result;
}

Napi::Value BpfMap::FdInfo(const Napi::CallbackInfo& info) {
  return ReadFdInfo(info.Env(), Fd(info.Env(), "fdInfo"), name_);
}

const uint8_t* BpfMap::KeyArgument(const Napi::CallbackInfo& info, size_t index) const {
  const auto key = BytesArgument(info, index, "key", KeyBytes());
  return key.empty() ? nullptr : key.data();
}

Napi::Value BpfMap::Lookup(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "bpf_map_lookup_elem");
  const uint8_t* key = KeyArgument(info, 0);
  auto value = Napi::Buffer<uint8_t>::New(env, value_bytes_);
  const int result = bpf_map_lookup_elem(fd, key, value.Data());
  if (result == -ENOENT) return env.Undefined();
  if (result != 0) ThrowErrno(env, -result, "bpf_map_lookup_elem", name_);
  return value;
}

void BpfMap::Update(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "bpf_map_update_elem");
  const uint8_t* key = KeyArgument(info, 0);
  const auto value = BytesArgument(info, 1, "value", value_bytes_);
  const int result = bpf_map_update_elem(fd, key, value.data(), Uint32Argument(info, 2, "flags", BPF_ANY));
  if (result != 0) ThrowErrno(env, -result, "bpf_map_update_elem", name_);
}

Napi::Value BpfMap::Delete(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "bpf_map_delete_elem");
  const uint8_t* key = KeyArgument(info, 0);
  const int result = bpf_map_delete_elem(fd, key);
  if (result != 0 && result != -ENOENT) ThrowErrno(env, -result, "bpf_map_delete_elem", name_);
  return Napi::Boolean::New(env, result == 0);
}

Napi::Value BpfMap::Take(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "bpf_map_lookup_and_delete_elem");
  const uint8_t* key = KeyArgument(info, 0);
  auto value = Napi::Buffer<uint8_t>::New(env, value_bytes_);
  const int result = bpf_map_lookup_and_delete_elem(fd, key, value.Data());
  if (result == -ENOENT) return env.Undefined();
  if (result != 0) ThrowErrno(env, -result, "bpf_map_lookup_and_delete_elem", name_);
  return value;
}

Napi::Value BpfMap::NextKey(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "bpf_map_get_next_key");
  const uint8_t* previous = info[0].IsUndefined() ? nullptr : BytesArgument(info, 0, "key", KeyBytes()).data();
  auto next = Napi::Buffer<uint8_t>::New(env, KeyBytes());
  const int result = bpf_map_get_next_key(fd, previous, next.Data());
  if (result == -ENOENT) return env.Undefined();
  if (result != 0) ThrowErrno(env, -result, "bpf_map_get_next_key", name_);
  return next;
}

Napi::Value BpfMap::LookupBatch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "bpf_map_lookup_batch");
  uint32_t count = std::min(Uint32Argument(info, 0, "count"), max_entries_);
  const size_t token_bytes = BatchTokenBytes(KeyBytes());
  uint8_t* token = info[1].IsUndefined() ? nullptr : BytesArgument(info, 1, "token", token_bytes).data();
  std::vector<uint8_t> next(token_bytes);
  std::vector<uint8_t> keys(count * KeyBytes());
  std::vector<uint8_t> values(count * value_bytes_);
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  const int result = bpf_map_lookup_batch(fd, token, next.data(), keys.data(), values.data(), &count, &options);
  // ENOENT means that these were the last entries.
  if (result != 0 && result != -ENOENT) ThrowErrno(env, -result, "bpf_map_lookup_batch", name_);
  auto batch = Napi::Object::New(env);
  batch["count"] = count;
  batch["keys"] = CopyToBuffer(env, std::span(keys).first(count * KeyBytes()));
  batch["values"] = CopyToBuffer(env, std::span(values).first(count * value_bytes_));
  batch["next"] = result == -ENOENT ? env.Undefined() : Napi::Value(CopyToBuffer(env, next));
  return batch;
}

Napi::Value BpfMap::UpdateBatch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "bpf_map_update_batch");
  uint32_t count = Uint32Argument(info, 0, "count");
  const auto keys = BytesArgument(info, 1, "keys", count * KeyBytes());
  const auto values = BytesArgument(info, 2, "values", count * value_bytes_);
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  options.elem_flags = Uint32Argument(info, 3, "flags", BPF_ANY);
  const int result = bpf_map_update_batch(fd, keys.data(), values.data(), &count, &options);
  if (result != 0) ThrowErrno(env, -result, "bpf_map_update_batch", name_);
  return Napi::Number::New(env, count);
}

Napi::Value BpfMap::DeleteBatch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "bpf_map_delete_batch");
  uint32_t count = Uint32Argument(info, 0, "count");
  const auto keys = BytesArgument(info, 1, "keys", count * KeyBytes());
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  const int result = bpf_map_delete_batch(fd, keys.data(), &count, &options);
  if (result != 0) ThrowErrno(env, -result, "bpf_map_delete_batch", name_);
  return Napi::Number::New(env, count);
}

Napi::Value BpfMap::Mmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Fd(env, "mmap");
  // Other maps with mmap (ring buffers, arenas) have different memory layouts.
  if (type_ != BPF_MAP_TYPE_ARRAY) ThrowErrno(env, EOPNOTSUPP, "mmap", name_, "only arrays can be mapped");
  const bool writable = info[0].ToBoolean();
  const size_t visible = RoundUp(value_size_, kElementAlignment) * max_entries_;
  const size_t length = RoundUp(visible, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  void* address = mmap(nullptr, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) ThrowErrno(env, errno, "mmap", name_);
  return Construct(env, env.GetInstanceData<AddonData>()->mapping,
                   new Mapping::Payload{std::make_shared<Mapping::Region>(static_cast<uint8_t*>(address), length),
                                        visible, writable, name_});
}

void BpfMap::Freeze(const Napi::CallbackInfo& info) {
  const int result = bpf_map_freeze(Fd(info.Env(), "bpf_map_freeze"));
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_map_freeze", name_);
}

void BpfMap::Pin(const Napi::CallbackInfo& info) {
  const std::string path = StringArgument(info, 0, "path");
  const int result = bpf_obj_pin(Fd(info.Env(), "bpf_obj_pin"), path.c_str());
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_obj_pin", path);
}

void BpfMap::Close(const Napi::CallbackInfo&) {
  fd_.Reset();
  object_.reset();
  map_ = nullptr;
}

void Mapping::Register(Napi::Env env, Napi::Object exports) {
  const auto constructor = DefineClass(env, "Mapping",
                                       {
                                           InstanceAccessor<&Mapping::GetByteLength>("byteLength"),
                                           InstanceMethod<&Mapping::Read>("read"),
                                           InstanceMethod<&Mapping::Write>("write"),
                                           InstanceMethod<&Mapping::Zero>("zero"),
                                           InstanceMethod<&Mapping::Load32>("load32"),
                                           InstanceMethod<&Mapping::Store32>("store32"),
                                           InstanceMethod<&Mapping::Exchange64>("exchange64"),
                                           InstanceMethod<&Mapping::Close>("close"),
                                       });
  env.GetInstanceData<AddonData>()->mapping = Napi::Persistent(constructor);
  exports["Mapping"] = constructor;
}

Mapping::Mapping(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Mapping>(info), map_(TakePayload<Payload>(info, "Mapping")) {}

Mapping::Region::~Region() { munmap(address, length); }

const Mapping::Payload& Mapping::WritableArgument(Napi::Env env, Napi::Value value, const char* name) {
  const auto& constructor = env.GetInstanceData<AddonData>()->mapping;
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(constructor.Value())) {
    ThrowType(env, std::string(name) + " must be a mapping");
  }
  const Mapping* mapping = Unwrap(value.As<Napi::Object>());
  if (mapping->map_->region == nullptr) ThrowClosed(env, name, mapping->map_->name);
  mapping->RequireWritable(env, name);
  return *mapping->map_;
}

int64_t Mapping::OffsetArgument(const Napi::CallbackInfo& info) const {
  return IntegerValue(info.Env(), info[0], "offset", 0, static_cast<int64_t>(map_->visible_bytes));
}

uint8_t* Mapping::At(Napi::Env env, int64_t offset, size_t length, const char* call) const {
  if (map_->region == nullptr) ThrowClosed(env, call, map_->name);
  if (length > map_->visible_bytes - static_cast<size_t>(offset)) {
    ThrowRange(env, std::to_string(length) + " bytes at offset " + std::to_string(offset) + " exceed the " +
                        std::to_string(map_->visible_bytes) + " of " + map_->name);
  }
  return map_->region->address + offset;
}

void Mapping::RequireWritable(Napi::Env env, const char* call) const {
  if (!map_->writable) ThrowErrno(env, EACCES, call, map_->name, "mapped read-only");
}

Napi::Value Mapping::GetByteLength(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), map_->region == nullptr ? 0 : static_cast<double>(map_->visible_bytes));
}

Napi::Value Mapping::Read(const Napi::CallbackInfo& info) {
  const auto target = BytesArgument(info, 1, "target");
  const uint8_t* source = At(info.Env(), OffsetArgument(info), target.size(), "read");
  std::memcpy(target.data(), source, target.size());
  return info[1];
}

void Mapping::Write(const Napi::CallbackInfo& info) {
  RequireWritable(info.Env(), "write");
  const auto bytes = BytesArgument(info, 1, "bytes");
  std::memcpy(At(info.Env(), OffsetArgument(info), bytes.size(), "write"), bytes.data(), bytes.size());
}

void Mapping::Zero(const Napi::CallbackInfo& info) {
  RequireWritable(info.Env(), "zero");
  const auto length =
      static_cast<size_t>(IntegerValue(info.Env(), info[1], "length", 0, static_cast<int64_t>(map_->visible_bytes)));
  std::memset(At(info.Env(), OffsetArgument(info), length, "zero"), 0, length);
}

Napi::Value Mapping::Load32(const Napi::CallbackInfo& info) {
  const int64_t offset = OffsetArgument(info);
  if (offset % 4 != 0) ThrowRange(info.Env(), "offset must be a multiple of 4");
  const auto* word = reinterpret_cast<uint32_t*>(At(info.Env(), offset, 4, "load32"));
  return Napi::Number::New(info.Env(), __atomic_load_n(word, __ATOMIC_ACQUIRE));
}

void Mapping::Store32(const Napi::CallbackInfo& info) {
  RequireWritable(info.Env(), "store32");
  const int64_t offset = OffsetArgument(info);
  if (offset % 4 != 0) ThrowRange(info.Env(), "offset must be a multiple of 4");
  auto* word = reinterpret_cast<uint32_t*>(At(info.Env(), offset, 4, "store32"));
  // Release: a reader of the new value sees everything that was written before it.
  __atomic_store_n(word, Uint32Argument(info, 1, "value"), __ATOMIC_RELEASE);
}

Napi::Value Mapping::Exchange64(const Napi::CallbackInfo& info) {
  RequireWritable(info.Env(), "exchange64");
  const int64_t offset = OffsetArgument(info);
  if (offset % 8 != 0) ThrowRange(info.Env(), "offset must be a multiple of 8");
  auto* word = reinterpret_cast<uint64_t*>(At(info.Env(), offset, 8, "exchange64"));
  uint64_t expected = Uint64Argument(info, 1, "before");
  const uint64_t after = Uint64Argument(info, 2, "after");
  return Napi::Boolean::New(
      info.Env(), __atomic_compare_exchange_n(word, &expected, after, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}

void Mapping::Close(const Napi::CallbackInfo&) { map_->region.reset(); }

}  // namespace libbpf
