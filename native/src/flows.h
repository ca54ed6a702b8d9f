// Sweeps and lists flow tables in a separate thread: the one part of the addon that knows the layout of a map.
#pragma once

#include <napi.h>

namespace beeline {

void RegisterFlows(Napi::Env env, Napi::Object exports);

}  // namespace beeline
