// Errors and libbpf's messages; see error.h.
#include "error.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "addon.h"

namespace libbpf {

namespace {

// The kernel's internal "operation not supported", which the bpf syscall lets through (include/linux/errno.h).
constexpr int kKernelNotSupported = 524;

thread_local LogCapture* innermost_capture = nullptr;

int OnLibbpfMessage(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG || innermost_capture == nullptr) return 0;
  char line[4096];
  const int length = std::vsnprintf(line, sizeof line, format, arguments);
  if (length <= 0) return 0;
  innermost_capture->Append({line, std::min<size_t>(length, sizeof line - 1)});
  return length;
}

[[noreturn]] void ThrowKernelError(Napi::Env env, std::string_view code, int error, std::string_view message,
                                   std::string_view call, std::string_view object, std::string_view log) {
  Napi::Object details = Napi::Object::New(env);
  details["code"] = Napi::String::New(env, std::string(code));
  details["errno"] = Napi::Number::New(env, error);
  details["message"] = Napi::String::New(env, std::string(message));
  details["call"] = Napi::String::New(env, std::string(call));
  details["object"] = Napi::String::New(env, std::string(object));
  details["log"] = Napi::String::New(env, std::string(log));
  const auto& make_error = env.GetInstanceData<AddonData>()->make_error;
  if (make_error.IsEmpty()) throw Napi::Error::New(env, std::string(message));
  throw Napi::Error(env, make_error.Call({details}));
}

}  // namespace

LogCapture::LogCapture() : outer_(innermost_capture) { innermost_capture = this; }

LogCapture::~LogCapture() { innermost_capture = outer_; }

void InstallLogHandler() { libbpf_set_print(OnLibbpfMessage); }

std::string ErrnoName(int error) {
  if (error == kKernelNotSupported) return "ENOTSUPP";
  const char* name = strerrorname_np(error);
  return name != nullptr ? std::string(name) : std::string("E").append(std::to_string(error));
}

void ThrowErrno(Napi::Env env, int error, std::string_view call, std::string_view object, std::string_view log) {
  const char* description =
      error == kKernelNotSupported ? "Operation not supported by this kernel" : strerrordesc_np(error);
  ThrowKernelError(env, ErrnoName(error), error, description != nullptr ? description : "Unknown error", call, object,
                   log);
}

void ThrowClosed(Napi::Env env, std::string_view call, std::string_view object) {
  ThrowKernelError(env, "CLOSED", 0, "the handle is closed", call, object, {});
}

void ThrowType(Napi::Env env, const std::string& message) { throw Napi::TypeError::New(env, message); }

void ThrowRange(Napi::Env env, const std::string& message) { throw Napi::RangeError::New(env, message); }

}  // namespace libbpf
