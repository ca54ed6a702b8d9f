// Helpers: file descriptors that close themselves, and arguments of JavaScript calls.
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

// Owns a file descriptor, or none: -1.
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

  // Duplicates a descriptor. Like all descriptors of the addon, the copy is closed on exec.
  static UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Reset() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

// Opens the object that is pinned to `path`. Throws EINVAL if it is not of the given kind: "bpf-map", "bpf-prog" or
// "bpf-link", as the kernel names it in /proc/self/fd.
UniqueFd OpenPinnedObject(Napi::Env env, const std::string& path, std::string_view kind);

// An object opened by its pin, and its kind: "bpf-map", "bpf-prog" or "bpf-link".
struct PinnedObject {
  UniqueFd fd;
  std::string kind;
};
PinnedObject OpenPinnedObject(Napi::Env env, const std::string& path);

// Returns the text of /proc/self/fdinfo, which has properties that no system call returns.
Napi::Value ReadFdInfo(Napi::Env env, int fd, const std::string& name);

inline std::string StringArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsString()) ThrowType(info.Env(), std::string(name) + " must be a string");
  return info[index].As<Napi::String>().Utf8Value();
}

// Returns a whole number within [low, high]. JavaScript's numbers are exact up to 2^53.
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

// The same for an optional argument: returns `fallback` if it is undefined.
inline uint32_t Uint32Argument(const Napi::CallbackInfo& info, size_t index, const char* name, uint32_t fallback) {
  return info[index].IsUndefined() ? fallback : Uint32Argument(info, index, name);
}

inline uint64_t Uint64Argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  bool lossless = false;
  const uint64_t number = info[index].IsBigInt() ? info[index].As<Napi::BigInt>().Uint64Value(&lossless) : 0;
  if (!lossless) ThrowType(info.Env(), std::string(name) + " must be a BigInt of 64 bits, and not negative");
  return number;
}

// Returns the bytes of a Uint8Array or Buffer. They are valid until JavaScript runs again.
inline std::span<uint8_t> BytesArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    ThrowType(info.Env(), std::string(name) + " must be a Uint8Array");
  }
  auto array = info[index].As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

// The same for bytes of an exact length.
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

// Makes an object of one of the addon's classes. Its constructor takes ownership of `payload`.
template <typename Payload>
Napi::Object Construct(Napi::Env env, const Napi::FunctionReference& constructor, Payload* payload) {
  return constructor.New({Napi::External<Payload>::New(env, payload)});
}

// Returns the payload given to Construct. Throws if JavaScript calls the constructor.
template <typename Payload>
Payload* TakePayload(const Napi::CallbackInfo& info, const char* class_name) {
  if (!info[0].IsExternal()) ThrowType(info.Env(), std::string(class_name) + " cannot be constructed directly");
  return info[0].As<Napi::External<Payload>>().Data();
}

}  // namespace libbpf
