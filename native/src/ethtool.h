// Features of network cards, by ethtool's ioctls, also of a card in another network namespace.
#pragma once

#include <napi.h>

namespace libbpf {

// Registers ethtoolValue(name, command, value?, namespace?): number.
void RegisterEthtool(Napi::Env env, Napi::Object exports);

}  // namespace libbpf
