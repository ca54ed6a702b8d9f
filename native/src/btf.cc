// Walks BTF and builds a JavaScript object for each type; see btf.h and Documentation/bpf/btf.rst in the kernel's tree.
#include "btf.h"

#include <bpf/btf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#include "error.h"
#include "util.h"

namespace libbpf {

namespace {

using BtfPointer = std::unique_ptr<btf, decltype(&btf__free)>;

const char* KindName(uint16_t kind) {
  switch (kind) {
    case BTF_KIND_INT:
      return "int";
    case BTF_KIND_PTR:
      return "pointer";
    case BTF_KIND_ARRAY:
      return "array";
    case BTF_KIND_STRUCT:
      return "struct";
    case BTF_KIND_UNION:
      return "union";
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      return "enum";
    case BTF_KIND_FWD:
      return "forward";
    case BTF_KIND_TYPEDEF:
      return "typedef";
    case BTF_KIND_VOLATILE:
      return "volatile";
    case BTF_KIND_CONST:
      return "const";
    case BTF_KIND_RESTRICT:
      return "restrict";
    case BTF_KIND_FUNC:
      return "function";
    case BTF_KIND_FUNC_PROTO:
      return "prototype";
    case BTF_KIND_VAR:
      return "variable";
    case BTF_KIND_DATASEC:
      return "section";
    case BTF_KIND_FLOAT:
      return "float";
    case BTF_KIND_DECL_TAG:
      return "declaration-tag";
    case BTF_KIND_TYPE_TAG:
      return "type-tag";
    default:
      return "unknown";
  }
}

Napi::Array Members(Napi::Env env, const btf* types, const btf_type* type) {
  auto members = Napi::Array::New(env, btf_vlen(type));
  for (uint32_t i = 0; i < btf_vlen(type); i++) {
    auto member = Napi::Object::New(env);
    member["name"] = btf__name_by_offset(types, btf_members(type)[i].name_off);
    member["type"] = btf_members(type)[i].type;
    member["bitOffset"] = btf_member_bit_offset(type, i);
    member["bitSize"] = btf_member_bitfield_size(type, i);
    members[i] = member;
  }
  return members;
}

Napi::Array EnumValues(Napi::Env env, const btf* types, const btf_type* type) {
  auto values = Napi::Array::New(env, btf_vlen(type));
  for (uint32_t i = 0; i < btf_vlen(type); i++) {
    auto value = Napi::Object::New(env);
    if (btf_is_enum64(type)) {
      const struct btf_enum64& item = btf_enum64(type)[i];
      value["name"] = btf__name_by_offset(types, item.name_off);
      const uint64_t bits = btf_enum64_value(&item);
      value["value"] =
          btf_kflag(type) ? Napi::BigInt::New(env, static_cast<int64_t>(bits)) : Napi::BigInt::New(env, bits);
    } else {
      const struct btf_enum& item = btf_enum(type)[i];
      value["name"] = btf__name_by_offset(types, item.name_off);
      value["value"] =
          btf_kflag(type) ? static_cast<double>(item.val) : static_cast<double>(static_cast<uint32_t>(item.val));
    }
    values[i] = value;
  }
  return values;
}

Napi::Array SectionEntries(Napi::Env env, const btf_type* type) {
  auto entries = Napi::Array::New(env, btf_vlen(type));
  for (uint32_t i = 0; i < btf_vlen(type); i++) {
    auto entry = Napi::Object::New(env);
    entry["type"] = btf_var_secinfos(type)[i].type;
    entry["offset"] = btf_var_secinfos(type)[i].offset;
    entry["size"] = btf_var_secinfos(type)[i].size;
    entries[i] = entry;
  }
  return entries;
}

Napi::Array Parameters(Napi::Env env, const btf* types, const btf_type* type) {
  auto parameters = Napi::Array::New(env, btf_vlen(type));
  for (uint32_t i = 0; i < btf_vlen(type); i++) {
    auto parameter = Napi::Object::New(env);
    parameter["name"] = btf__name_by_offset(types, btf_params(type)[i].name_off);
    parameter["type"] = btf_params(type)[i].type;
    parameters[i] = parameter;
  }
  return parameters;
}

Napi::Object Describe(Napi::Env env, const btf* types, const btf_type* type) {
  auto result = Napi::Object::New(env);
  const uint16_t kind = btf_kind(type);
  result["kind"] = KindName(kind);
  result["name"] = btf__name_by_offset(types, type->name_off);
  switch (kind) {
    case BTF_KIND_INT:
      result["size"] = type->size;
      result["bits"] = btf_int_bits(type);
      result["signed"] = (btf_int_encoding(type) & BTF_INT_SIGNED) != 0;
      result["boolean"] = (btf_int_encoding(type) & BTF_INT_BOOL) != 0;
      break;
    case BTF_KIND_ARRAY:
      result["type"] = btf_array(type)->type;
      result["length"] = btf_array(type)->nelems;
      break;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
      result["size"] = type->size;
      result["members"] = Members(env, types, type);
      break;
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      result["size"] = type->size;
      result["signed"] = btf_kflag(type);
      result["values"] = EnumValues(env, types, type);
      break;
    case BTF_KIND_DATASEC:
      result["size"] = type->size;
      result["entries"] = SectionEntries(env, type);
      break;
    case BTF_KIND_FUNC_PROTO:
      result["type"] = type->type;
      result["parameters"] = Parameters(env, types, type);
      break;
    case BTF_KIND_FLOAT:
      result["size"] = type->size;
      break;
    case BTF_KIND_FWD:
      break;
    default:
      result["type"] = type->type;
  }
  return result;
}

Napi::Array DescribeAll(Napi::Env env, const btf* types) {
  const uint32_t count = btf__type_cnt(types);
  auto result = Napi::Array::New(env, count);
  auto nothing = Napi::Object::New(env);
  nothing["kind"] = "void";
  nothing["name"] = "void";
  result[0u] = nothing;
  for (uint32_t id = 1; id < count; id++) {
    // BTF may have very many types, so free the handles after each.
    Napi::HandleScope scope(env);
    result[id] = Describe(env, types, btf__type_by_id(types, id));
  }
  return result;
}

// libbpf reads BTF in ELF only by path, so the bytes are written to a file in memory.
BtfPointer ParseElf(Napi::Env env, std::span<const uint8_t> bytes) {
  UniqueFd file(memfd_create("btf", MFD_CLOEXEC));
  if (!file) ThrowErrno(env, errno, "memfd_create", "BTF");
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = write(file.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0) ThrowErrno(env, errno, "write", "BTF");
    done += static_cast<size_t>(written);
  }
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  LogCapture capture;
  BtfPointer types(btf__parse(path.c_str(), nullptr), btf__free);
  if (!types) ThrowErrno(env, errno, "btf__parse", "BTF", capture.text());
  return types;
}

Napi::Value Parse(const Napi::CallbackInfo& info) {
  const auto types = ParseElf(info.Env(), BytesArgument(info, 0, "bytes"));
  return DescribeAll(info.Env(), types.get());
}

Napi::Value ById(const Napi::CallbackInfo& info) {
  const uint32_t id = Uint32Argument(info, 0, "id");
  BtfPointer types(btf__load_from_kernel_by_id(id), btf__free);
  if (!types) ThrowErrno(info.Env(), errno, "btf__load_from_kernel_by_id", "BTF id " + std::to_string(id));
  return DescribeAll(info.Env(), types.get());
}

}  // namespace

void RegisterBtf(Napi::Env env, Napi::Object exports) {
  exports["btfParse"] = Napi::Function::New<Parse>(env, "btfParse");
  exports["btfById"] = Napi::Function::New<ById>(env, "btfById");
}

}  // namespace libbpf
