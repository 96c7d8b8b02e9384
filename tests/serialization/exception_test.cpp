#include <any>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <regex>
#include <system_error>
#include <thread>
#include <typeinfo>
#include <variant>

#include <ipc/detail/exception.hpp>

#include "tests/support/catch.hpp"

namespace {

using ipc::RemoteError;

std::exception_ptr sent(const std::exception_ptr& exception) {
  ipc::detail::Writer writer;
  ipc::detail::encode_exception(writer, exception, "PoolWorker-3", 4711);
  ipc::detail::Message message = writer.take();
  ipc::detail::Reader reader(message);
  std::exception_ptr arrived = ipc::detail::decode_exception(reader);
  REQUIRE(reader.at_end());
  return arrived;
}

template <class T>
std::exception_ptr sent(T exception) {
  return sent(std::make_exception_ptr(std::move(exception)));
}

/// Whether a handler for `T` takes it, and what what() says there.
template <class T>
bool caught_as(const std::exception_ptr& exception, const std::string& what) {
  try {
    std::rethrow_exception(exception);
  } catch (const T& e) {
    return e.what() == what;
  } catch (...) {
    return false;
  }
}

template <class T>
RemoteError remote_part(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const RemoteError& e) {
    REQUIRE((std::is_same_v<T, RemoteError> || dynamic_cast<const T*>(&e) != nullptr));
    return e;
  }
}

/// Arrives as T, as each of `Bases`, and as RemoteError and its bases.
template <class T, class... Bases>
void arrives(T thrown, const std::string& type_name) {
  INFO(type_name);
  const std::string what = thrown.what();
  const std::exception_ptr arrived = sent(std::move(thrown));
  for (int times = 0; times < 2; ++times) {  // The same object can be thrown again.
    CHECK(caught_as<T>(arrived, what));
    CHECK((caught_as<Bases>(arrived, what) && ...));
    CHECK(caught_as<std::exception>(arrived, what));
    CHECK(caught_as<RemoteError>(arrived, what));
    CHECK(caught_as<ipc::Error>(arrived, what));
    CHECK(caught_as<std::runtime_error>(arrived, what));
  }
  CHECK_FALSE(caught_as<ipc::TimeoutError>(arrived, what));
  CHECK_FALSE((!std::is_base_of_v<std::bad_weak_ptr, T> && caught_as<std::bad_weak_ptr>(arrived, what)));
  CHECK_FALSE((!std::is_base_of_v<std::logic_error, T> && caught_as<std::logic_error>(arrived, what)));
  const RemoteError remote = remote_part<T>(arrived);
  CHECK(remote.type_name() == type_name);
  CHECK(remote.process_name() == "PoolWorker-3");
  CHECK(remote.pid() == 4711);
}

template <class F>
std::exception_ptr thrown_by(F f) {
  try {
    f();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

TEST_CASE("standard exceptions arrive as their own type, as all its bases, and as RemoteError") {
  arrives(std::logic_error("l"), "std::logic_error");
  arrives<std::invalid_argument, std::logic_error>(std::invalid_argument("i"), "std::invalid_argument");
  arrives<std::domain_error, std::logic_error>(std::domain_error("d"), "std::domain_error");
  arrives<std::length_error, std::logic_error>(std::length_error("l"), "std::length_error");
  arrives<std::out_of_range, std::logic_error>(std::out_of_range("o"), "std::out_of_range");
  arrives<std::future_error, std::logic_error>(std::future_error(std::future_errc::no_state), "std::future_error");
  arrives<std::range_error, std::runtime_error>(std::range_error("r"), "std::range_error");
  arrives<std::overflow_error, std::runtime_error>(std::overflow_error("o"), "std::overflow_error");
  arrives<std::underflow_error, std::runtime_error>(std::underflow_error("u"), "std::underflow_error");
  arrives<std::regex_error, std::runtime_error>(std::regex_error(std::regex_constants::error_brack), "std::regex_error");
  arrives<std::system_error, std::runtime_error>(std::system_error(EIO, std::generic_category(), "read"), "std::system_error");
  arrives<std::ios_base::failure, std::system_error>(std::ios_base::failure("file"), "std::ios_base::failure");
  arrives<std::filesystem::filesystem_error, std::system_error>(
      std::filesystem::filesystem_error("copy", "/a", "/b", std::make_error_code(std::errc::permission_denied)),
      "std::filesystem::filesystem_error");
  arrives(std::bad_alloc(), "std::bad_alloc");
  arrives<std::bad_array_new_length, std::bad_alloc>(std::bad_array_new_length(), "std::bad_array_new_length");
  arrives(std::bad_cast(), "std::bad_cast");
  arrives<std::bad_any_cast, std::bad_cast>(std::bad_any_cast(), "std::bad_any_cast");
  arrives(std::bad_typeid(), "std::bad_typeid");
  arrives(std::bad_function_call(), "std::bad_function_call");
  arrives(std::bad_optional_access(), "std::bad_optional_access");
  arrives(std::bad_weak_ptr(), "std::bad_weak_ptr");
  arrives(std::bad_exception(), "std::bad_exception");
  const std::exception_ptr variant = sent(thrown_by([] { static_cast<void>(std::get<0>(std::variant<int, float>(1.0f))); }));
  CHECK(caught_as<std::bad_variant_access>(variant, "std::get: wrong index for variant"));
}

TEST_CASE("std::runtime_error and std::exception arrive as RemoteError, which is one") {
  const auto runtime = sent(std::runtime_error("r"));
  CHECK(caught_as<std::runtime_error>(runtime, "r"));
  CHECK(caught_as<RemoteError>(runtime, "r"));
  CHECK_FALSE(caught_as<std::logic_error>(runtime, "r"));
  CHECK(caught_as<std::exception>(sent(std::exception()), "std::exception"));
}

TEST_CASE("codes, categories and paths arrive") {
  try {
    std::rethrow_exception(sent(std::system_error(ENOENT, std::system_category(), "open")));
  } catch (const std::system_error& e) {
    CHECK(e.code() == std::error_code(ENOENT, std::system_category()));
    CHECK(e.code() == std::errc::no_such_file_or_directory);
  }
  try {
    std::rethrow_exception(sent(std::ios_base::failure("x", std::io_errc::stream)));
  } catch (const std::ios_base::failure& e) {
    CHECK(e.code() == std::io_errc::stream);
  }
  try {
    std::rethrow_exception(sent(std::filesystem::filesystem_error("copy", "/a", "/b", std::make_error_code(std::errc::file_exists))));
  } catch (const std::filesystem::filesystem_error& e) {
    CHECK(e.path1() == "/a");
    CHECK(e.path2() == "/b");
    CHECK(e.code() == std::errc::file_exists);
  }
  try {
    std::rethrow_exception(sent(std::regex_error(std::regex_constants::error_paren)));
  } catch (const std::regex_error& e) {
    CHECK(e.code() == std::regex_constants::error_paren);
  }
  try {
    std::rethrow_exception(sent(std::future_error(std::future_errc::broken_promise)));
  } catch (const std::future_error& e) {
    CHECK(e.code() == std::future_errc::broken_promise);
  }
}

class OwnCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "own"; }
  std::string message(int) const override { return "own message"; }
};

TEST_CASE("a category of the program's own keeps its number and its text, and equals no other") {
  static const OwnCategory category;
  try {
    std::rethrow_exception(sent(std::system_error(5, category, "own")));
  } catch (const std::system_error& e) {
    CHECK(e.code().value() == 5);
    CHECK(e.code().category() != std::generic_category());
    CHECK(e.what() == std::string("own: own message"));
  }
}

struct OwnError : std::out_of_range {
  using std::out_of_range::out_of_range;
};
struct NotStandard {
  int code;
};

TEST_CASE("other types arrive as RemoteError, and as the standard type that they derive from") {
  const auto own = sent(OwnError("mine"));
  CHECK(caught_as<std::out_of_range>(own, "mine"));
  CHECK(remote_part<std::logic_error>(own).type_name().find("OwnError") != std::string::npos);
  CHECK(remote_part<RemoteError>(sent(NotStandard{3})).type_name().find("NotStandard") != std::string::npos);
  CHECK(remote_part<RemoteError>(sent(42)).type_name() == "int");
  CHECK(caught_as<RemoteError>(sent(42), "42"));
  CHECK(caught_as<RemoteError>(sent(std::string("text")), "text"));
  CHECK(caught_as<RemoteError>(sent(static_cast<const char*>("text")), "text"));
  CHECK(caught_as<RemoteError>(sent(ipc::TimeoutError("late")), "late"));
  CHECK_FALSE(caught_as<ipc::TimeoutError>(sent(ipc::TimeoutError("late")), "late"));  // Not a time-out of this process.
  CHECK(caught_as<std::logic_error>(sent(ipc::UsageError("misuse")), "misuse"));
  CHECK(caught_as<RemoteError>(sent(std::exception_ptr()), "no exception"));
}

TEST_CASE("the causes of a nested exception are told") {
  const auto nested = thrown_by([] {
    try {
      throw std::out_of_range("index 7");
    } catch (...) {
      std::throw_with_nested(std::invalid_argument("reading the table"));
    }
  });
  const std::string what = remote_part<std::invalid_argument>(sent(nested)).what();
  CHECK(what == "reading the table\n  caused by std::out_of_range: index 7");
  CHECK(remote_part<std::invalid_argument>(sent(nested)).type_name() == "std::invalid_argument");
  try {
    std::rethrow_exception(nested);
  } catch (...) {
    CHECK(ipc::detail::describe_current_exception() == "std::invalid_argument: " + what);
  }
}

TEST_CASE("an exception that is no std::exception is described with what it says, where that is known") {
  const auto description = [](const std::exception_ptr& exception) {
    try {
      std::rethrow_exception(exception);
    } catch (...) {
      return ipc::detail::describe_current_exception();
    }
  };
  CHECK(description(thrown_by([] { throw 42; })) == "int: 42");
  CHECK(description(thrown_by([] { throw "text"; })) == "const char*: text");
  CHECK(description(thrown_by([] { throw std::string("string"); })) == "std::string: string");
  CHECK(description(thrown_by([] { throw 'c'; })) == "char");
}

namespace {

template <class Outer, class Inner>
void arrives_nested(const std::exception_ptr& arrived, const std::string& inner_what) {
  bool found = false;
  try {
    std::rethrow_exception(arrived);
  } catch (const Outer& outer) {
    try {
      std::rethrow_if_nested(outer);
    } catch (const Inner& inner) {
      found = inner.what() == inner_what && dynamic_cast<const RemoteError*>(&inner) != nullptr;
    }
  }
  CHECK(found);
  CHECK(caught_as<std::exception>(arrived, remote_part<Outer>(arrived).what()));
  CHECK_THROWS_AS(std::rethrow_exception(arrived), std::nested_exception);
}

template <class Outer>
std::exception_ptr with_cause(Outer outer) {
  return thrown_by([&] {
    try {
      throw std::out_of_range("index 7");
    } catch (...) {
      std::throw_with_nested(std::move(outer));
    }
  });
}

}  // namespace

TEST_CASE("a nested exception arrives nested, also through a second process, and a chain without an end is cut") {
  arrives_nested<std::invalid_argument, std::out_of_range>(sent(with_cause(std::invalid_argument("i"))), "index 7");
  arrives_nested<std::invalid_argument, std::out_of_range>(sent(sent(with_cause(std::invalid_argument("i")))), "index 7");
  arrives_nested<std::bad_alloc, std::logic_error>(sent(with_cause(std::bad_alloc())), "index 7");
  arrives_nested<RemoteError, std::out_of_range>(sent(with_cause(std::runtime_error("r"))), "index 7");
  std::exception_ptr deep = with_cause(std::domain_error("0"));
  for (int i = 1; i < 40; ++i) {
    deep = thrown_by([&] {
      try {
        std::rethrow_exception(deep);
      } catch (...) {
        std::throw_with_nested(std::domain_error(std::to_string(i)));
      }
    });
  }
  CHECK_THROWS_AS(std::rethrow_exception(sent(deep)), std::domain_error);
}

TEST_CASE("an exception that goes through two processes keeps its type and the one that threw it") {
  const auto first = sent(std::invalid_argument("deep"));
  ipc::detail::Writer writer;
  ipc::detail::encode_exception(writer, first, "MainProcess", 1);
  ipc::detail::Reader reader(writer.view());
  const auto second = ipc::detail::decode_exception(reader);
  CHECK(caught_as<std::invalid_argument>(second, "deep"));
  const RemoteError remote = remote_part<std::invalid_argument>(second);
  CHECK(remote.type_name() == "std::invalid_argument");
  CHECK(remote.process_name() == "PoolWorker-3");
  CHECK(remote.pid() == 4711);
}

TEST_CASE("a remote exception outlives its copies, crosses threads, and can be caught, rethrown and nested") {
  std::exception_ptr copy;
  {
    const auto arrived = sent(std::range_error("r"));
    copy = arrived;
  }
  CHECK(caught_as<std::range_error>(copy, "r"));
  std::exception_ptr again;
  try {
    try {
      std::rethrow_exception(copy);
    } catch (const std::exception&) {
      throw;
    }
  } catch (const std::runtime_error&) {
    again = std::current_exception();
  }
  CHECK(caught_as<RemoteError>(again, "r"));
  bool elsewhere = false;
  std::thread([&] { elsewhere = caught_as<std::range_error>(again, "r"); }).join();
  CHECK(elsewhere);
  std::promise<void> promise;
  promise.set_exception(copy);
  CHECK_THROWS_AS(promise.get_future().get(), std::range_error);
  const auto nested = thrown_by([&] {
    try {
      std::rethrow_exception(copy);
    } catch (...) {
      std::throw_with_nested(std::logic_error("outer"));
    }
  });
  CHECK(std::string(remote_part<std::logic_error>(sent(nested)).what()) == "outer\n  caused by std::range_error: r");
}

TEST_CASE("handlers in the order of a program pick the first that fits") {
  const auto which = [](const std::exception_ptr& exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::bad_alloc&) {
      return "bad_alloc";
    } catch (const std::logic_error&) {
      return "logic_error";
    } catch (const ipc::Error&) {
      return "Error";
    } catch (const std::exception&) {
      return "exception";
    } catch (...) {
      return "...";
    }
  };
  CHECK(which(sent(std::bad_array_new_length())) == std::string("bad_alloc"));
  CHECK(which(sent(std::out_of_range(""))) == std::string("logic_error"));
  CHECK(which(sent(std::system_error(std::error_code()))) == std::string("Error"));
  CHECK(which(sent(1)) == std::string("Error"));
}

TEST_CASE("the type of the exception being handled has a name") {
  CHECK(ipc::detail::current_exception_type_name().empty());
  try {
    throw std::invalid_argument("x");
  } catch (...) {
    CHECK(ipc::detail::current_exception_type_name() == "std::invalid_argument");
    CHECK(ipc::detail::describe_current_exception().starts_with("std::invalid_argument: "));
  }
}

}  // namespace
