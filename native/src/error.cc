// Errors and libbpf's messages; see error.h.
#include "error.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "addon.h"

namespace libbpf {

namespace {

// libbpf's own error numbers, from __LIBBPF_ERRNO__START on (enum libbpf_errno in bpf/libbpf.h).
constexpr std::string_view kLibbpfErrors[] = {"LIBBPF_LIBELF",   "LIBBPF_FORMAT", "LIBBPF_KVERSION", "LIBBPF_ENDIAN",
                                              "LIBBPF_INTERNAL", "LIBBPF_RELOC",  "LIBBPF_LOAD",     "LIBBPF_VERIFY",
                                              "LIBBPF_PROG2BIG", "LIBBPF_KVER",   "LIBBPF_PROGTYPE", "LIBBPF_WRNGPID",
                                              "LIBBPF_INVSEQ",   "LIBBPF_NLPARSE"};

// The kernel's internal "operation not supported", which the bpf system call may return (include/linux/errno.h).
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

// Uses only calls that report failure by their status. C++ exceptions of node-addon-api end the process while a worker
// thread is being terminated, and this must work then too.
napi_value MakeError(napi_env env, std::string_view code, int error, std::string_view message, std::string_view call,
                     std::string_view object, std::string_view log) {
  AddonData* data = nullptr;
  if (napi_get_instance_data(env, reinterpret_cast<void**>(&data)) != napi_ok || data->make_error.IsEmpty()) {
    return nullptr;
  }
  napi_value details = nullptr;
  if (napi_create_object(env, &details) != napi_ok) return nullptr;
  const std::pair<const char*, std::string_view> texts[] = {
      {"code", code}, {"message", message}, {"call", call}, {"object", object}, {"log", log}};
  for (const auto& [name, text] : texts) {
    napi_value value = nullptr;
    if (napi_create_string_utf8(env, text.data(), text.size(), &value) != napi_ok ||
        napi_set_named_property(env, details, name, value) != napi_ok) {
      return nullptr;
    }
  }
  napi_value number = nullptr, undefined = nullptr, result = nullptr;
  if (napi_create_int32(env, error, &number) != napi_ok ||
      napi_set_named_property(env, details, "errno", number) != napi_ok ||
      napi_get_undefined(env, &undefined) != napi_ok ||
      napi_call_function(env, undefined, data->make_error.Value(), 1, &details, &result) != napi_ok) {
    return nullptr;
  }
  return result;
}

std::string Describe(int error) {
  if (error == kKernelNotSupported) return "Operation not supported by this kernel";
  char text[128];
  libbpf_strerror(error, text, sizeof text);
  return text;
}

// Throws a plain error if JavaScript has not registered a factory yet, which it does first.
[[noreturn]] void Throw(Napi::Env env, napi_value error, std::string_view call, int number) {
  if (env.GetInstanceData<AddonData>()->make_error.IsEmpty()) {
    throw Napi::Error::New(env, std::string(call).append(": ").append(Describe(number)));
  }
  throw Napi::Error(env, error);
}

}  // namespace

LogCapture::LogCapture() : outer_(innermost_capture) { innermost_capture = this; }

LogCapture::~LogCapture() { innermost_capture = outer_; }

void InstallLogHandler() { libbpf_set_print(OnLibbpfMessage); }

std::string ErrnoName(int error) {
  if (error == kKernelNotSupported) return "ENOTSUPP";
  const auto own = static_cast<size_t>(error - __LIBBPF_ERRNO__START);
  if (error >= __LIBBPF_ERRNO__START && own < std::size(kLibbpfErrors)) return std::string(kLibbpfErrors[own]);
  const char* name = strerrorname_np(error);
  return name != nullptr ? std::string(name) : std::string("E").append(std::to_string(error));
}

napi_value MakeKernelError(napi_env env, int error, std::string_view call, std::string_view object,
                           std::string_view log) {
  return MakeError(env, ErrnoName(error), error, Describe(error), call, object, log);
}

void ThrowErrno(Napi::Env env, int error, std::string_view call, std::string_view object, std::string_view log) {
  Throw(env, MakeKernelError(env, error, call, object, log), call, error);
}

void ThrowClosed(Napi::Env env, std::string_view call, std::string_view object) {
  Throw(env, MakeError(env, "CLOSED", 0, "the handle is closed", call, object, {}), call, EBADF);
}

void ThrowType(Napi::Env env, const std::string& message) { throw Napi::TypeError::New(env, message); }

void ThrowRange(Napi::Env env, const std::string& message) { throw Napi::RangeError::New(env, message); }

}  // namespace libbpf
