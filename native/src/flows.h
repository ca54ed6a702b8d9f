// Sweeps and lists flow tables in a separate thread. The addon knows the layout of maps here, in
// hand_over.h and in check_ports.h alone.
#pragma once

#include <napi.h>

namespace beeline {

void RegisterFlows(Napi::Env env, Napi::Object exports);

}  // namespace beeline
