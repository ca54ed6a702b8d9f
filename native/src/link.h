// Links that hold a program on an interface, by XDP or tcx, or on a control group, and XDP programs attached by other
// means.
#pragma once

#include <napi.h>

#include <string>

#include "util.h"

namespace libbpf {

class BpfLink : public Napi::ObjectWrap<BpfLink> {
 public:
  struct Payload {
    UniqueFd fd;
    std::string name;
  };

  static void Register(Napi::Env env, Napi::Object exports);
  explicit BpfLink(const Napi::CallbackInfo& info);

 private:
  static Napi::Value AttachXdp(const Napi::CallbackInfo& info);
  static Napi::Value AttachTcx(const Napi::CallbackInfo& info);
  static Napi::Value AttachCgroup(const Napi::CallbackInfo& info);
  static Napi::Value OpenPinned(const Napi::CallbackInfo& info);
  static Napi::Value OpenById(const Napi::CallbackInfo& info);
  static Napi::Value NextId(const Napi::CallbackInfo& info);

  Napi::Value Info(const Napi::CallbackInfo& info);
  void Update(const Napi::CallbackInfo& info);
  void Detach(const Napi::CallbackInfo& info);
  void Pin(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  int Fd(Napi::Env env, const char* call) const;

  UniqueFd fd_;
  std::string name_;
};

// Registers the functions without a link: xdpQuery(ifindex), xdpDetach(ifindex, flags), tcxQuery(ifindex, isEgress).
void RegisterXdp(Napi::Env env, Napi::Object exports);

}  // namespace libbpf
