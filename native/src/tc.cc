// Filters of the clsact qdisc; see tc.h.
#include "tc.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <string>

#include "error.h"
#include "program.h"
#include "util.h"

namespace libbpf {

namespace {

// Where a filter stands: interface, direction, priority and handle.
struct Place {
  bpf_tc_hook hook;
  uint32_t priority;
  uint32_t handle;
  std::string name;
};

// Reads the arguments from `first` on: (ifindex, isEgress, priority, handle).
Place PlaceArgument(const Napi::CallbackInfo& info, size_t first) {
  const uint32_t ifindex = Uint32Argument(info, first, "ifindex");
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex),
              .attach_point = info[first + 1].ToBoolean() ? BPF_TC_EGRESS : BPF_TC_INGRESS);
  const auto priority = static_cast<uint32_t>(IntegerValue(info.Env(), info[first + 2], "priority", 1, UINT16_MAX));
  const auto handle = static_cast<uint32_t>(IntegerValue(info.Env(), info[first + 3], "handle", 1, INT32_MAX));
  return {hook, priority, handle, "tc filter on interface index " + std::to_string(ifindex)};
}

// (ifindex, isEgress, priority, handle): the id of the filter's program, 0 for no filter.
Napi::Value TcQuery(const Napi::CallbackInfo& info) {
  Place place = PlaceArgument(info, 0);
  LIBBPF_OPTS(bpf_tc_opts, options, .handle = place.handle, .priority = place.priority);
  LogCapture capture;
  const int result = bpf_tc_query(&place.hook, &options);
  // Without a clsact qdisc the kernel answers EINVAL, as it does for a filter of another kind.
  if (result == -ENOENT || result == -EINVAL) return Napi::Number::New(info.Env(), 0);
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_tc_query", place.name, capture.text());
  return Napi::Number::New(info.Env(), options.prog_id);
}

// (program, ifindex, isEgress, priority, handle, replaces). Makes the qdisc if there is none.
void TcAttach(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const BpfProgram* program = ProgramArgument(info, 0);
  Place place = PlaceArgument(info, 1);
  LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program->Fd(env, "bpf_tc_attach"),
              .flags = info[5].ToBoolean() ? BPF_TC_F_REPLACE : 0u, .handle = place.handle, .priority = place.priority);
  LogCapture capture;
  int result = bpf_tc_hook_create(&place.hook);
  if (result != 0 && result != -EEXIST) ThrowErrno(env, -result, "bpf_tc_hook_create", place.name, capture.text());
  result = bpf_tc_attach(&place.hook, &options);
  if (result != 0) ThrowErrno(env, -result, "bpf_tc_attach", program->name() + ", " + place.name, capture.text());
}

// (ifindex, isEgress, priority, handle). The qdisc stays: others may use it.
void TcDetach(const Napi::CallbackInfo& info) {
  Place place = PlaceArgument(info, 0);
  LIBBPF_OPTS(bpf_tc_opts, options, .handle = place.handle, .priority = place.priority);
  LogCapture capture;
  const int result = bpf_tc_detach(&place.hook, &options);
  if (result != 0) ThrowErrno(info.Env(), -result, "bpf_tc_detach", place.name, capture.text());
}

}  // namespace

void RegisterTc(Napi::Env env, Napi::Object exports) {
  exports["tcQuery"] = Napi::Function::New<TcQuery>(env, "tcQuery");
  exports["tcAttach"] = Napi::Function::New<TcAttach>(env, "tcAttach");
  exports["tcDetach"] = Napi::Function::New<TcDetach>(env, "tcDetach");
}

}  // namespace libbpf
