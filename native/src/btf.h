// BTF, the kernel's type information, as plain JavaScript objects.
#pragma once

#include <napi.h>

namespace libbpf {

// Registers btfParse(bytes) for an ELF object or raw BTF, and btfById(id) for BTF in the kernel. Both return an array
// of types by their id. Element 0 is void.
void RegisterBtf(Napi::Env env, Napi::Object exports);

}  // namespace libbpf
