// Features of network cards; see ethtool.h.
#include "ethtool.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "error.h"
#include "util.h"

namespace libbpf {

namespace {

// A socket, or a positive errno.
struct Socket {
  UniqueFd fd;
  int error = 0;
};

// Any family serves. A hardened service may have no other than this one.
Socket OpenSocket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int error = fd ? 0 : errno;
  return {std::move(fd), error};
}

// Opens a socket of another network namespace. Only a thread of its own enters that: a socket stays where it was made.
Socket OpenSocketIn(const std::string& path) {
  Socket result;
  std::thread([&path, &result] {
    UniqueFd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!space || setns(space.get(), CLONE_NEWNET) != 0) {
      result.error = errno;
    } else {
      result = OpenSocket();
    }
  }).join();
  return result;
}

// (name: string, command: number, value?: number, namespace?: string): number. Calls a command of linux/ethtool.h that
// takes a struct ethtool_value, and returns the value after it.
Napi::Value EthtoolValue(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = StringArgument(info, 0, "name");
  ethtool_value request = {};
  request.cmd = Uint32Argument(info, 1, "command");
  request.data = Uint32Argument(info, 2, "value", 0);
  ifreq interface = {};
  if (name.size() >= sizeof interface.ifr_name) ThrowErrno(env, ENODEV, "SIOCETHTOOL", name);
  std::memcpy(interface.ifr_name, name.data(), name.size());
  interface.ifr_data = reinterpret_cast<char*>(&request);
  const Socket socket = info[3].IsUndefined() ? OpenSocket() : OpenSocketIn(StringArgument(info, 3, "namespace"));
  if (socket.error != 0) ThrowErrno(env, socket.error, "socket", name);
  if (ioctl(socket.fd.get(), SIOCETHTOOL, &interface) != 0) ThrowErrno(env, errno, "SIOCETHTOOL", name);
  return Napi::Number::New(env, request.data);
}

}  // namespace

void RegisterEthtool(Napi::Env env, Napi::Object exports) {
  exports["ethtoolValue"] = Napi::Function::New<EthtoolValue>(env, "ethtoolValue");
}

}  // namespace libbpf
