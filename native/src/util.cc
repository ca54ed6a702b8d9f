// Helpers that are too long for the header; see util.h.
#include "util.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fstream>
#include <sstream>

namespace libbpf {

PinnedObject OpenPinnedObject(Napi::Env env, const std::string& path) {
  UniqueFd fd(bpf_obj_get(path.c_str()));
  if (!fd) ThrowErrno(env, errno, "bpf_obj_get", path);
  char target[PATH_MAX];
  const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), target, sizeof target);
  std::string found(target, length > 0 ? static_cast<size_t>(length) : 0);
  std::replace(found.begin(), found.end(), '_', '-');  // links are bpf_link or bpf-link, by the way they were opened
  for (const char* kind : {"bpf-map", "bpf-prog", "bpf-link"}) {
    if (found.find(kind) != std::string::npos) return {std::move(fd), kind};
  }
  return {std::move(fd), found};
}

UniqueFd OpenPinnedObject(Napi::Env env, const std::string& path, std::string_view kind) {
  PinnedObject found = OpenPinnedObject(env, path);
  if (found.kind != kind) {
    ThrowErrno(env, EINVAL, "bpf_obj_get", path, "this is a " + found.kind + ", not a " + std::string(kind));
  }
  return std::move(found.fd);
}

Napi::Value ReadFdInfo(Napi::Env env, int fd, const std::string& name) {
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(fd));
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) ThrowErrno(env, ENOENT, "read /proc/self/fdinfo", name);
  return Napi::String::New(env, text.str());
}

}  // namespace libbpf
