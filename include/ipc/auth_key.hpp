#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <ipc/bytes.hpp>

namespace ipc {

/// The secret that both ends of an authenticated connection know: any bytes, none included. Text and bytes convert to it,
/// so that `{.authkey = "secret"}` is enough. A null pointer is `std::invalid_argument`.
class AuthKey {
 public:
  // NOLINTBEGIN(google-explicit-constructor): these conversions are what it is for.
  AuthKey(std::span<const std::byte> key) : bytes_(key.begin(), key.end()) {}
  AuthKey(const Bytes& key) : bytes_(key) {}
  AuthKey(std::string_view key) : AuthKey(std::as_bytes(std::span(key))) {}
  AuthKey(const std::string& key) : AuthKey(std::string_view(key)) {}
  AuthKey(const char* key) : AuthKey(checked(key)) {}
  // NOLINTEND(google-explicit-constructor)

  const Bytes& bytes() const noexcept { return bytes_; }

 private:
  /// What `getenv` gives for a variable that is not set must not become an empty key.
  static std::string_view checked(const char* key) {
    if (key == nullptr) throw std::invalid_argument("An authkey cannot be a null pointer: leave it out, or give the empty text.");
    return key;
  }

  Bytes bytes_;
};

}  // namespace ipc
