// Flow hand-over: tells what another director does not know of this one's flows, and takes flows over from it.
#pragma once

#include <napi.h>

namespace beeline {

void RegisterHandOver(Napi::Env env, Napi::Object exports);

}  // namespace beeline
