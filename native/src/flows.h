// Work on the tables of flows, in a thread of its own: the one part of the addon that knows what stands in a map.
#pragma once

#include <napi.h>

namespace beeline {

void RegisterFlows(Napi::Env env, Napi::Object exports);

}  // namespace beeline
