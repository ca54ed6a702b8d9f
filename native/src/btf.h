// BTF, the kernel's type information, read out as plain JavaScript objects.
#pragma once

#include <napi.h>

namespace libbpf {

// btfParse(bytes) of an ELF object or of raw BTF, and btfById(id) of what the kernel holds. Both return an array
// whose index is the type's id; element 0 is void.
void RegisterBtf(Napi::Env env, Napi::Object exports);

}  // namespace libbpf
