#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace ipc::test {

/// The code of the `std::system_error` that `f` throws, 0 when it throws nothing.
template <class F>
int error_of(F f) {
  try {
    f();
    return 0;
  } catch (const std::system_error& error) {
    return error.code().value();
  }
}

/// A name that no other test has, and whose files are gone after the test, whatever happened in it.
class UniqueName {
 public:
  UniqueName() : text_("test-" + std::to_string(::getpid()) + "-" + std::to_string(++last())) {}
  UniqueName(const UniqueName&) = delete;
  UniqueName& operator=(const UniqueName&) = delete;
  ~UniqueName() {
    ::unlink(object_path().c_str());
    ::unlink(memory_path().c_str());
  }

  const std::string& text() const { return text_; }
  operator std::string_view() const { return text_; }
  std::string object_path() const { return "/dev/shm/ipc." + text_; }
  std::string memory_path() const { return "/dev/shm/" + text_; }
  bool has_object() const { return std::filesystem::exists(object_path()); }
  bool has_memory() const { return std::filesystem::exists(memory_path()); }

 private:
  static std::atomic<int>& last() {
    static std::atomic<int> number{0};
    return number;
  }

  std::string text_;
};

}  // namespace ipc::test
