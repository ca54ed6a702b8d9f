// The addon's entry point: registers its classes and functions in a JavaScript environment.
#include "addon.h"

#include "btf.h"
#include "checks.h"
#include "error.h"
#include "ethtool.h"
#include "flows.h"
#include "frames.h"
#include "hand_over.h"
#include "link.h"
#include "map.h"
#include "netlink.h"
#include "object.h"
#include "program.h"
#include "ring_buffer.h"
#include "system.h"
#include "tc.h"

namespace {

// setErrorFactory((details) => KernelError): the error class is defined in JavaScript.
void SetErrorFactory(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<libbpf::AddonData>()->make_error = Napi::Persistent(info[0].As<Napi::Function>());
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new libbpf::AddonData());
  libbpf::InstallLogHandler();
  exports["setErrorFactory"] = Napi::Function::New<SetErrorFactory>(env, "setErrorFactory");
  libbpf::BpfMap::Register(env, exports);
  libbpf::Mapping::Register(env, exports);
  libbpf::BpfProgram::Register(env, exports);
  libbpf::BpfLink::Register(env, exports);
  libbpf::BpfObject::Register(env, exports);
  libbpf::RingBuffer::Register(env, exports);
  libbpf::NetlinkSocket::Register(env, exports);
  libbpf::FileLock::Register(env, exports);
  libbpf::PacketSocket::Register(env, exports);
  libbpf::QuietPort::Register(env, exports);
  libbpf::FrameListener::Register(env, exports);
  libbpf::RegisterXdp(env, exports);
  libbpf::RegisterTc(env, exports);
  libbpf::RegisterBtf(env, exports);
  libbpf::RegisterSystem(env, exports);
  libbpf::RegisterEthtool(env, exports);
  beeline::RegisterFlows(env, exports);
  beeline::RegisterHandOver(env, exports);
  beeline::CheckLoop::Register(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(bpf, Initialize)
