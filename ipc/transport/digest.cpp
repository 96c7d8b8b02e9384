#include "ipc/transport/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <string>
#include <utility>

#include <ipc/error.hpp>

namespace ipc::transport {
namespace {

constexpr std::array<std::pair<std::string_view, Digest>, 5> names{{
    {"md5", Digest::md5},
    {"sha256", Digest::sha256},
    {"sha384", Digest::sha384},
    {"sha3_256", Digest::sha3_256},
    {"sha3_384", Digest::sha3_384},
}};

const EVP_MD* algorithm(Digest digest) noexcept {
  switch (digest) {
    case Digest::md5:
      return EVP_md5();
    case Digest::sha256:
      return EVP_sha256();
    case Digest::sha384:
      return EVP_sha384();
    case Digest::sha3_256:
      return EVP_sha3_256();
    case Digest::sha3_384:
      return EVP_sha3_384();
  }
  return nullptr;
}

const unsigned char* as_unsigned(const std::byte* bytes) noexcept { return reinterpret_cast<const unsigned char*>(bytes); }

}  // namespace

std::string_view name_of(Digest digest) noexcept {
  for (const auto& [name, known] : names) {
    if (known == digest) return name;
  }
  return {};
}

std::optional<Digest> digest_named(std::string_view name) noexcept {
  for (const auto& [known, digest] : names) {
    if (known == name) return digest;
  }
  return std::nullopt;
}

Bytes hmac(Digest digest, std::span<const std::byte> key, std::span<const std::byte> message) {
  // SUBTLE: for OpenSSL a null key means "the one of last time", not an empty one.
  static constexpr std::byte nothing{};
  const std::byte* key_bytes = key.empty() ? &nothing : key.data();
  const std::byte* message_bytes = message.empty() ? &nothing : message.data();
  Bytes mac(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (::HMAC(algorithm(digest), key_bytes, static_cast<int>(key.size()), as_unsigned(message_bytes), message.size(),
             reinterpret_cast<unsigned char*>(mac.data()), &size) == nullptr) {
    throw AuthenticationError("This system's OpenSSL does not have HMAC-" + std::string(name_of(digest)) + ", which the peer asks for.");
  }
  mac.resize(size);
  return mac;
}

bool equal_in_constant_time(std::span<const std::byte> a, std::span<const std::byte> b) noexcept {
  return a.size() == b.size() && (a.empty() || ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace ipc::transport
