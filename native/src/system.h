// System calls that a BPF control plane needs and Node.js does not have: mounts, locks, sd_notify, grace periods.
#pragma once

#include <napi.h>

#include <string>

#include "util.h"

namespace libbpf {

// An exclusive lock on a file or folder. Close, the garbage collector and any end of the process release it.
class FileLock : public Napi::ObjectWrap<FileLock> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // (path: string, isFolder?: boolean). Makes a file that does not exist. Throws EWOULDBLOCK if another process has it.
  explicit FileLock(const Napi::CallbackInfo& info);

 private:
  // (path: string). Returns whether the path leads to the file that is locked.
  Napi::Value IsAt(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  bool IsAtPath(const std::string& path) const;

  UniqueFd fd_;
};

// Sends frames as they are, through any interface (packet(7)).
class PacketSocket : public Napi::ObjectWrap<PacketSocket> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // Needs CAP_NET_RAW.
  explicit PacketSocket(const Napi::CallbackInfo& info);

 private:
  // (ifindex: number, frame: Uint8Array). Does not wait: throws EAGAIN or ENOBUFS if a queue is full.
  void Send(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
};

// Takes a TCP port of both families from all other programs, and lets the kernel answer nothing that comes to it: no
// reset to a SYN-ACK that a packet socket asked for (tcp_filter() in net/ipv4/tcp_ipv4.c). Packet sockets hear it all
// the same.
class QuietPort : public Napi::ObjectWrap<QuietPort> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // (port: number). Throws EADDRINUSE if another program has it.
  explicit QuietPort(const Napi::CallbackInfo& info);

 private:
  void Close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
};

// Registers mountBpffs(path), sendDatagram(path, text), synchronizeRcu(): Promise, possibleCpus(), bootTimeMs(),
// libbpfVersion().
void RegisterSystem(Napi::Env env, Napi::Object exports);

}  // namespace libbpf
