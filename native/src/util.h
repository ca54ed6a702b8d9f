// Small helpers: file descriptors that close themselves, and reading arguments with clear complaints.
#pragma once

#include <fcntl.h>
#include <napi.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "error.h"

namespace libbpf {

// Owns a file descriptor; -1 when there is none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { Reset(); }

  // A second descriptor of the same thing; closed on exec, like all of ours.
  static UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Reset() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

// Opens what is pinned at `path`, which must be of the given kind: "bpf-map", "bpf-prog" or "bpf-link", as the kernel
// names it in /proc/self/fd.
UniqueFd OpenPinnedObject(Napi::Env env, const std::string& path, std::string_view kind);

// What is pinned at a path, opened, and of which kind: "bpf-map", "bpf-prog" or "bpf-link".
struct PinnedObject {
  UniqueFd fd;
  std::string kind;
};
PinnedObject OpenPinnedObject(Napi::Env env, const std::string& path);

// The text of /proc/self/fdinfo: what the kernel tells there and nowhere else.
Napi::Value ReadFdInfo(Napi::Env env, int fd, const std::string& name);

inline std::string StringArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsString()) ThrowType(info.Env(), std::string(name) + " must be a string");
  return info[index].As<Napi::String>().Utf8Value();
}

// A whole number within [low, high]. JavaScript's numbers are exact up to 2^53.
inline int64_t IntegerValue(Napi::Env env, Napi::Value value, const char* name, int64_t low, int64_t high) {
  constexpr double kExactLimit = 9007199254740992.0;
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0.5;
  if (!(std::fabs(number) <= kExactLimit) || number != std::trunc(number)) {
    ThrowType(env, std::string(name) + " must be a whole number");
  }
  const auto integer = static_cast<int64_t>(number);
  if (integer < low || integer > high) {
    ThrowRange(env, std::string(name) + " is " + std::to_string(integer) + ", must be within " + std::to_string(low) +
                        ".." + std::to_string(high));
  }
  return integer;
}

inline uint32_t Uint32Argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  return static_cast<uint32_t>(IntegerValue(info.Env(), info[index], name, 0, std::numeric_limits<uint32_t>::max()));
}

// An optional whole number: `fallback` when the argument is undefined.
inline uint32_t Uint32Argument(const Napi::CallbackInfo& info, size_t index, const char* name, uint32_t fallback) {
  return info[index].IsUndefined() ? fallback : Uint32Argument(info, index, name);
}

// The bytes of a Uint8Array (or Buffer). Valid until JavaScript runs again.
inline std::span<uint8_t> BytesArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    ThrowType(info.Env(), std::string(name) + " must be a Uint8Array");
  }
  auto array = info[index].As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

// The same, of an exact length.
inline std::span<uint8_t> BytesArgument(const Napi::CallbackInfo& info, size_t index, const char* name, size_t length) {
  auto bytes = BytesArgument(info, index, name);
  if (bytes.size() != length) {
    ThrowRange(info.Env(), std::string(name) + " has " + std::to_string(bytes.size()) + " bytes, must have " +
                               std::to_string(length));
  }
  return bytes;
}

inline Napi::Buffer<uint8_t> CopyToBuffer(Napi::Env env, std::span<const uint8_t> bytes) {
  return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
}

// Makes an object of a class of ours around `payload`, which its constructor takes over.
template <typename Payload>
Napi::Object Construct(Napi::Env env, const Napi::FunctionReference& constructor, Payload* payload) {
  return constructor.New({Napi::External<Payload>::New(env, payload)});
}

// The payload given to Construct. Throws when JavaScript calls the constructor itself.
template <typename Payload>
Payload* TakePayload(const Napi::CallbackInfo& info, const char* class_name) {
  if (!info[0].IsExternal()) ThrowType(info.Env(), std::string(class_name) + " cannot be constructed directly");
  return info[0].As<Napi::External<Payload>>().Data();
}

}  // namespace libbpf
