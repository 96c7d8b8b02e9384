#pragma once

#include <cstdint>

namespace ipc::serialization {

/// The standard library's exceptions that arrive as themselves.
/// NOTE: wire structure, one byte.
enum class ExceptionKind : std::uint8_t {
  other,  ///< Arrives as `RemoteError` alone; `std::exception` and `std::runtime_error`, which it derives from, too.
  logic_error,
  invalid_argument,
  domain_error,
  length_error,
  out_of_range,
  future_error,
  range_error,
  overflow_error,
  underflow_error,
  regex_error,
  system_error,
  ios_failure,
  filesystem_error,
  bad_alloc,
  bad_array_new_length,
  bad_cast,
  bad_any_cast,
  bad_typeid,
  bad_function_call,
  bad_optional_access,
  bad_variant_access,
  bad_weak_ptr,
  bad_exception,
  count,
};

// An encoded exception is
//   u8 kind, string type name, string what, string process name, i32 pid, code places
//   u8 whether one is nested in it, and if so that one, encoded likewise
// and, where the kind has one,
//   i32 code                        future_error, regex_error, and system_error and what derives from it
//   string category                 system_error and what derives from it
//   string path 1, string path 2    filesystem_error

/// How far a chain of nested exceptions is followed; one that contains itself has no end.
constexpr int most_nested = 16;

constexpr bool has_category(ExceptionKind kind) noexcept {
  return kind == ExceptionKind::system_error || kind == ExceptionKind::ios_failure || kind == ExceptionKind::filesystem_error;
}
constexpr bool has_code(ExceptionKind kind) noexcept {
  return has_category(kind) || kind == ExceptionKind::future_error || kind == ExceptionKind::regex_error;
}

}  // namespace ipc::serialization
