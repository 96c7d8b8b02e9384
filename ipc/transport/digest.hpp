#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include <ipc/bytes.hpp>

namespace ipc::transport {

/// The hash functions that peers may ask for in a handshake.
enum class Digest : unsigned char { md5, sha256, sha384, sha3_256, sha3_384 };

/// As it is written on the wire: "sha3_256".
std::string_view name_of(Digest digest) noexcept;
std::optional<Digest> digest_named(std::string_view name) noexcept;
/// The longest of the names.
constexpr std::size_t longest_digest_name = 8;

/// HMAC (RFC 2104); the key may be empty. Throws `AuthenticationError` where the system's OpenSSL does not have the
/// digest: one that is set up for FIPS has no MD5. Any thread.
Bytes hmac(Digest digest, std::span<const std::byte> key, std::span<const std::byte> message);

/// Compares in a time that depends on the sizes only.
bool equal_in_constant_time(std::span<const std::byte> a, std::span<const std::byte> b) noexcept;

}  // namespace ipc::transport
