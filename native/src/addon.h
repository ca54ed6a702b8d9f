// Data that all parts of the addon share within one JavaScript environment: the main thread or a worker.
#pragma once

#include <napi.h>

namespace libbpf {

// Lives as long as the environment. Each worker thread has one, so no data is shared between threads.
struct AddonData {
  Napi::FunctionReference make_error;  // (details) => KernelError
  Napi::FunctionReference map;         // class constructors, for handles that the addon makes
  Napi::FunctionReference mapping;
  Napi::FunctionReference program;
  Napi::FunctionReference link;
};

}  // namespace libbpf
