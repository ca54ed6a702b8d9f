// Makes JavaScript errors of failed calls, with errno's name, the call, the object and the log.
#pragma once

#include <napi.h>

#include <string>
#include <string_view>

namespace libbpf {

// Makes a KernelError by the factory that JavaScript registered. Returns nullptr if JavaScript cannot run any more
// because its thread is ending.
napi_value MakeKernelError(napi_env env, int error, std::string_view call, std::string_view object,
                           std::string_view log = {});

// Throws a KernelError. `error` is a positive errno. `log` has the messages of the verifier or libbpf, if there are
// any.
[[noreturn]] void ThrowErrno(Napi::Env env, int error, std::string_view call, std::string_view object,
                             std::string_view log = {});

// Throws a KernelError with code CLOSED: the handle was closed, or the object that it came from.
[[noreturn]] void ThrowClosed(Napi::Env env, std::string_view call, std::string_view object);

// Throws a TypeError or RangeError for a wrong argument, before any system call.
[[noreturn]] void ThrowType(Napi::Env env, const std::string& message);
[[noreturn]] void ThrowRange(Napi::Env env, const std::string& message);

// Returns the symbolic name of a positive errno: "EPERM". Knows the kernel's internal ENOTSUPP (524), which libc does
// not.
std::string ErrnoName(int error);

// During its lifetime, collects the messages that libbpf would print to stderr on this thread, for the error's log.
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

// Directs libbpf's messages to the innermost LogCapture of the thread, or drops them. Applies to the whole process.
void InstallLogHandler();

}  // namespace libbpf
