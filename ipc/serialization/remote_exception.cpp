#include "ipc/serialization/remote_exception.hpp"

#include <any>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <system_error>
#include <variant>

#include <ipc/detail/codec.hpp>
#include <ipc/detail/exception.hpp>

#include "ipc/serialization/exception_kind.hpp"

namespace ipc::serialization {
namespace {

using detail::decode;
using detail::Reader;

/// Stands for the categories that programs define: this process may not have them. The number is kept.
class UnknownCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "of another process"; }
  std::string message(int value) const override { return "error " + std::to_string(value) + " of another process"; }
};

const std::error_category& category_named(const std::string& name) {
  static const UnknownCategory unknown;
  for (const auto* known : {&std::generic_category(), &std::system_category(), &std::iostream_category(), &std::future_category()}) {
    if (name == known->name()) return *known;
  }
  return unknown;
}

std::error_code decode_error_code(Reader& reader) {
  const auto value = reader.raw<std::int32_t>();
  return {value, category_named(decode<std::string>(reader))};
}

std::regex_constants::error_type decode_regex_code(Reader& reader) {
  // An enumeration of unspecified type: only the numbers of its enumerators are surely values of it.
  const auto value = reader.raw<std::int32_t>();
  if (value < 0 || value > static_cast<std::int32_t>(std::regex_constants::error_stack)) {
    detail::fail_choice("std::regex_error", static_cast<unsigned>(value));
  }
  return static_cast<std::regex_constants::error_type>(value);
}

std::exception_ptr decode_remote(Reader& reader, int depth) {
  const auto kind = reader.raw<ExceptionKind>();
  if (kind >= ExceptionKind::count) detail::fail_choice("kind of exception", static_cast<unsigned>(kind));
  auto type_name = decode<std::string>(reader);
  const auto what = decode<std::string>(reader);
  auto process_name = decode<std::string>(reader);
  const auto pid = reader.raw<std::int32_t>();
  auto thrown_at = decode<std::vector<detail::CodePlace>>(reader);
  std::exception_ptr nested;
  if (reader.raw<std::uint8_t>() != 0) {
    if (depth == most_nested) detail::fail_choice("depth of nested exceptions", static_cast<unsigned>(depth) + 1);
    nested = decode_remote(reader, depth + 1);
  }
  RemoteError remote(what, std::move(type_name), std::move(process_name), pid, std::move(thrown_at));

  using Kind = ExceptionKind;
  switch (kind) {
    case Kind::logic_error:
      return make_remote<std::logic_error>(std::logic_error(what), std::move(remote), nested);
    case Kind::invalid_argument:
      return make_remote<std::invalid_argument, std::logic_error>(std::invalid_argument(what), std::move(remote), nested);
    case Kind::domain_error:
      return make_remote<std::domain_error, std::logic_error>(std::domain_error(what), std::move(remote), nested);
    case Kind::length_error:
      return make_remote<std::length_error, std::logic_error>(std::length_error(what), std::move(remote), nested);
    case Kind::out_of_range:
      return make_remote<std::out_of_range, std::logic_error>(std::out_of_range(what), std::move(remote), nested);
    case Kind::future_error: {
      const auto code = static_cast<std::future_errc>(reader.raw<std::int32_t>());
      return make_remote<std::future_error, std::logic_error>(std::future_error(code), std::move(remote), nested);
    }
    case Kind::range_error:
      return make_remote<std::range_error, std::runtime_error>(std::range_error(what), std::move(remote), nested);
    case Kind::overflow_error:
      return make_remote<std::overflow_error, std::runtime_error>(std::overflow_error(what), std::move(remote), nested);
    case Kind::underflow_error:
      return make_remote<std::underflow_error, std::runtime_error>(std::underflow_error(what), std::move(remote), nested);
    case Kind::regex_error:
      return make_remote<std::regex_error, std::runtime_error>(std::regex_error(decode_regex_code(reader)), std::move(remote), nested);
    case Kind::system_error:
      return make_remote<std::system_error, std::runtime_error>(std::system_error(decode_error_code(reader)), std::move(remote), nested);
    case Kind::ios_failure:
      return make_remote<std::ios_base::failure, std::system_error, std::runtime_error>(
          std::ios_base::failure("", decode_error_code(reader)), std::move(remote), nested);
    case Kind::filesystem_error: {
      const std::error_code code = decode_error_code(reader);
      const auto path1 = decode<std::filesystem::path>(reader);
      const auto path2 = decode<std::filesystem::path>(reader);
      return make_remote<std::filesystem::filesystem_error, std::system_error, std::runtime_error>(
          std::filesystem::filesystem_error("", path1, path2, code), std::move(remote), nested);
    }
    case Kind::bad_alloc:
      return make_remote<std::bad_alloc>({}, std::move(remote), nested);
    case Kind::bad_array_new_length:
      return make_remote<std::bad_array_new_length, std::bad_alloc>({}, std::move(remote), nested);
    case Kind::bad_cast:
      return make_remote<std::bad_cast>({}, std::move(remote), nested);
    case Kind::bad_any_cast:
      return make_remote<std::bad_any_cast, std::bad_cast>({}, std::move(remote), nested);
    case Kind::bad_typeid:
      return make_remote<std::bad_typeid>({}, std::move(remote), nested);
    case Kind::bad_function_call:
      return make_remote<std::bad_function_call>({}, std::move(remote), nested);
    case Kind::bad_optional_access:
      return make_remote<std::bad_optional_access>({}, std::move(remote), nested);
    case Kind::bad_variant_access:
      return make_remote<std::bad_variant_access>({}, std::move(remote), nested);
    case Kind::bad_weak_ptr:
      return make_remote<std::bad_weak_ptr>({}, std::move(remote), nested);
    case Kind::bad_exception:
      return make_remote<std::bad_exception>({}, std::move(remote), nested);
    case Kind::other:
    case Kind::count:
      break;
  }
  return make_remote(std::move(remote), nested);
}

}  // namespace
}  // namespace ipc::serialization

namespace ipc::detail {

std::exception_ptr decode_exception(Reader& reader) { return serialization::decode_remote(reader, 0); }

}  // namespace ipc::detail
