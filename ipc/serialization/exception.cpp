#include <ipc/detail/exception.hpp>

#include <any>
#include <array>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <new>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <typeinfo>
#include <variant>

#include <cxxabi.h>

#include <ipc/detail/codec.hpp>

#include "ipc/serialization/exception_kind.hpp"
#include "ipc/serialization/throw_probe.hpp"

namespace ipc::detail {
namespace {

using serialization::ExceptionKind;
using serialization::most_nested;

struct KindTest {
  ExceptionKind kind;
  bool (*matches)(const std::exception&);
};
template <class T>
constexpr KindTest test_for(ExceptionKind kind) {
  return {kind, [](const std::exception& e) { return dynamic_cast<const T*>(&e) != nullptr; }};
}

/// Derived classes before their bases: the first that matches is the nearest.
constexpr std::array<KindTest, 23> tests{{
    test_for<std::invalid_argument>(ExceptionKind::invalid_argument),
    test_for<std::domain_error>(ExceptionKind::domain_error),
    test_for<std::length_error>(ExceptionKind::length_error),
    test_for<std::out_of_range>(ExceptionKind::out_of_range),
    test_for<std::future_error>(ExceptionKind::future_error),
    test_for<std::logic_error>(ExceptionKind::logic_error),
    test_for<std::range_error>(ExceptionKind::range_error),
    test_for<std::overflow_error>(ExceptionKind::overflow_error),
    test_for<std::underflow_error>(ExceptionKind::underflow_error),
    test_for<std::regex_error>(ExceptionKind::regex_error),
    test_for<std::filesystem::filesystem_error>(ExceptionKind::filesystem_error),
    test_for<std::ios_base::failure>(ExceptionKind::ios_failure),
    test_for<std::system_error>(ExceptionKind::system_error),
    test_for<std::bad_array_new_length>(ExceptionKind::bad_array_new_length),
    test_for<std::bad_alloc>(ExceptionKind::bad_alloc),
    test_for<std::bad_any_cast>(ExceptionKind::bad_any_cast),
    test_for<std::bad_cast>(ExceptionKind::bad_cast),
    test_for<std::bad_typeid>(ExceptionKind::bad_typeid),
    test_for<std::bad_function_call>(ExceptionKind::bad_function_call),
    test_for<std::bad_optional_access>(ExceptionKind::bad_optional_access),
    test_for<std::bad_variant_access>(ExceptionKind::bad_variant_access),
    test_for<std::bad_weak_ptr>(ExceptionKind::bad_weak_ptr),
    test_for<std::bad_exception>(ExceptionKind::bad_exception),
}};

ExceptionKind kind_of(const std::exception& e) {
  for (const KindTest& test : tests) {
    if (test.matches(e)) return test.kind;
  }
  return ExceptionKind::other;
}

struct Story {
  std::string type_name;
  std::string what;
};

Story story_of(const std::exception_ptr& exception, int depth = 0);

/// As the program wrote it: what `std::throw_with_nested` throws is of a type of the standard library's own.
std::string name_of(const std::type_info& type) {
  std::string name = demangle(type.name());
  constexpr std::string_view wrapper = "std::_Nested_exception<";
  if (!name.starts_with(wrapper)) return name;
  name.pop_back();
  return name.substr(wrapper.size());
}

std::exception_ptr nested_in(const std::exception& e) {
  const auto* nested = dynamic_cast<const std::nested_exception*>(&e);
  return nested != nullptr ? nested->nested_ptr() : nullptr;
}

Story story_of(const std::exception& e, int depth) {
  const char* what = e.what();
  // That of a remote one tells of the nested ones already.
  if (const auto* remote = dynamic_cast<const RemoteError*>(&e)) return {remote->type_name(), what};
  Story story{name_of(typeid(e)), what != nullptr ? what : ""};
  const std::exception_ptr nested = nested_in(e);
  if (nested != nullptr && depth < most_nested) {
    const Story cause = story_of(nested, depth + 1);
    story.what += "\n  caused by " + cause.type_name + ": " + cause.what;
  }
  return story;
}

Story story_of(const std::exception_ptr& exception, int depth) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    return story_of(e, depth);
  } catch (const std::string& text) {
    return {"std::string", text};
  } catch (const char* text) {
    return {"const char*", text != nullptr ? text : ""};
  } catch (int number) {
    return {"int", std::to_string(number)};
  } catch (...) {
    return {current_exception_type_name(), ""};
  }
}

/// The fields that only some kinds have, in the order of exception_kind.hpp.
void encode_details(Writer& writer, ExceptionKind kind, const std::exception& e) {
  if (kind == ExceptionKind::future_error) {
    writer.raw(static_cast<std::int32_t>(dynamic_cast<const std::future_error&>(e).code().value()));
  } else if (kind == ExceptionKind::regex_error) {
    writer.raw(static_cast<std::int32_t>(dynamic_cast<const std::regex_error&>(e).code()));
  } else if (has_category(kind)) {
    const std::error_code& code = dynamic_cast<const std::system_error&>(e).code();
    writer.raw(static_cast<std::int32_t>(code.value()));
    encode(writer, code.category().name());
  }
  if (kind == ExceptionKind::filesystem_error) {
    const auto& error = dynamic_cast<const std::filesystem::filesystem_error&>(e);
    encode(writer, error.path1());
    encode(writer, error.path2());
  }
}

struct Place {
  std::string_view process_name;
  pid_t pid;
  const std::vector<CodePlace>& thrown_at;
};

void encode_story(Writer& writer, ExceptionKind kind, const Story& story, const Place& place) {
  writer.raw(kind);
  encode(writer, story.type_name);
  encode(writer, story.what);
  encode(writer, std::string(place.process_name));
  writer.raw(static_cast<std::int32_t>(place.pid));
  encode(writer, place.thrown_at);
}

void encode_one(Writer& writer, const std::exception_ptr& exception, const Place& place, int depth);

void encode_nested(Writer& writer, const std::exception_ptr& nested, const Place& place, int depth) {
  const bool follows = nested != nullptr && depth < most_nested;
  writer.raw(static_cast<std::uint8_t>(follows));
  const std::vector<CodePlace> nowhere;  // Nobody looked where it was thrown.
  if (follows) encode_one(writer, nested, {place.process_name, place.pid, nowhere}, depth + 1);
}

void encode_standard(Writer& writer, const std::exception& e, const Place& place, int depth) {
  const ExceptionKind kind = kind_of(e);
  encode_story(writer, kind, story_of(e, 0), place);
  encode_nested(writer, nested_in(e), place, depth);
  encode_details(writer, kind, e);
}

void encode_one(Writer& writer, const std::exception_ptr& exception, const Place& place, int depth) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    const auto* remote = dynamic_cast<const RemoteError*>(&e);
    encode_standard(writer, e, remote != nullptr ? Place{remote->process_name(), remote->pid(), remote->thrown_at()} : place, depth);
  } catch (...) {
    encode_story(writer, ExceptionKind::other, story_of(exception), place);
    encode_nested(writer, nullptr, place, depth);
  }
}

}  // namespace

std::string current_exception_type_name() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type != nullptr ? name_of(*type) : std::string();
}

std::string describe_current_exception() {
  const std::exception_ptr exception = std::current_exception();
  if (exception == nullptr) return current_exception_type_name();  // Another language's, or the end of a thread.
  const Story story = story_of(exception);
  return story.what.empty() ? story.type_name : story.type_name + ": " + story.what;
}

void encode_exception(Writer& writer, std::exception_ptr exception, std::string_view process_name, pid_t pid) {
  const auto thrown_at = serialization::take_throw_site();
  if (exception == nullptr) {
    exception = std::make_exception_ptr(RemoteError("no exception", "std::exception_ptr", std::string(process_name), pid));
  }
  encode_one(writer, exception, {process_name, pid, thrown_at}, 0);
}

}  // namespace ipc::detail
