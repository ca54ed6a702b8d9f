// What a BPF control plane needs of Linux beside BPF and Node does not offer: mounts, locks, notices, grace periods.
#pragma once

#include <napi.h>

#include "util.h"

namespace libbpf {

// An exclusive lock on a file, released by close, by the garbage collector and by the process's end, however it ends.
class FileLock : public Napi::ObjectWrap<FileLock> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // (path: string); throws EWOULDBLOCK when another process holds it.
  explicit FileLock(const Napi::CallbackInfo& info);

 private:
  void Close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
};

// mountBpffs(path), sendDatagram(path, text), synchronizeRcu(): Promise, possibleCpus(), stripsVlanTags(name),
// libbpfVersion().
void RegisterSystem(Napi::Env env, Napi::Object exports);

}  // namespace libbpf
