// Helpers that are too long for the header; see util.h.
#include "util.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace libbpf {

UniqueFd OpenPinnedObject(Napi::Env env, const std::string& path, std::string_view kind) {
  UniqueFd fd(bpf_obj_get(path.c_str()));
  if (!fd) ThrowErrno(env, errno, "bpf_obj_get", path);
  char target[PATH_MAX];
  const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), target, sizeof target);
  std::string found(target, length > 0 ? static_cast<size_t>(length) : 0);
  std::replace(found.begin(), found.end(), '_', '-');  // links are bpf_link or bpf-link, by the way they were opened
  if (found.find(kind) == std::string::npos) {
    ThrowErrno(env, EINVAL, "bpf_obj_get", path, "this is " + found + ", not a " + std::string(kind));
  }
  return fd;
}

}  // namespace libbpf
