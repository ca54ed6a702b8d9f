// How a failed call becomes a JavaScript error: errno's name, the call, the object it was about, and the log.
#pragma once

#include <napi.h>

#include <string>
#include <string_view>

namespace libbpf {

// Makes a KernelError of the class that JavaScript registered. Returns nullptr when JavaScript may not run any more,
// because its thread is ending.
napi_value MakeKernelError(napi_env env, int error, std::string_view call, std::string_view object,
                           std::string_view log = {});

// Throws a KernelError. `error` is a positive errno. `log` is what the verifier or
// libbpf had to say, empty when nothing.
[[noreturn]] void ThrowErrno(Napi::Env env, int error, std::string_view call, std::string_view object,
                             std::string_view log = {});

// Throws KernelError with code CLOSED: the handle was closed, by hand or with what it came from.
[[noreturn]] void ThrowClosed(Napi::Env env, std::string_view call, std::string_view object);

// Throws a TypeError or RangeError: the caller's mistake, found before the kernel was asked.
[[noreturn]] void ThrowType(Napi::Env env, const std::string& message);
[[noreturn]] void ThrowRange(Napi::Env env, const std::string& message);

// The symbolic name of a positive errno: "EPERM". Knows the kernel's own ENOTSUPP (524), which libc does not.
std::string ErrnoName(int error);

// While it lives, what libbpf would print to stderr on this thread is kept instead, for the error's log.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  const std::string& text() const { return text_; }
  void Append(std::string_view line) { text_.append(line); }

 private:
  std::string text_;
  LogCapture* outer_;
};

// Once per process: directs libbpf's messages to the innermost LogCapture of the thread, or drops them.
void InstallLogHandler();

}  // namespace libbpf
