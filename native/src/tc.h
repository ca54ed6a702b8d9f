// tc programs without a link, for kernels without tcx: filters of the clsact qdisc.
#pragma once

#include <napi.h>

namespace libbpf {

// Registers the functions tcAttach, tcDetach and tcQuery.
void RegisterTc(Napi::Env env, Napi::Object exports);

}  // namespace libbpf
