#include "ipc/transport/challenge.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/transport/digest.hpp"

namespace ipc::transport {
namespace {

constexpr std::string_view challenge_mark = "#CHALLENGE#";
constexpr std::string_view welcome = "#WELCOME#";
constexpr std::string_view failure = "#FAILURE#";
constexpr std::string_view our_digest = "{sha256}";
/// Sizes by which CPython up to 3.11 is known: of what it asks, and of what it answers.
constexpr std::size_t legacy_challenge = 20;
constexpr std::size_t legacy_response = 16;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string_view as_text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

void append(Bytes& to, std::span<const std::byte> bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

Bytes message_of(std::string_view text) {
  Bytes message;
  append(message, bytes_of(text));
  return message;
}

/// The digest that stands in braces before the rest.
struct Named {
  Digest digest;
  std::span<const std::byte> rest;
};
std::optional<Named> parse_name(std::span<const std::byte> message) {
  const std::string_view text = as_text(message);
  if (!text.starts_with('{')) return std::nullopt;
  const auto end = text.substr(0, longest_digest_name + 2).find('}');
  if (end == std::string_view::npos) return std::nullopt;
  const auto digest = digest_named(text.substr(1, end - 1));
  if (!digest) return std::nullopt;
  return Named{*digest, message.subspan(end + 1)};
}

}  // namespace

Handshake::Handshake(Side side, Bytes key, const Random& random)
    : side_(side),
      key_(std::move(key)),
      asked_(message_of(our_digest)),
      awaits_(side == Side::listener ? Awaits::response : Awaits::challenge) {
  append(asked_, random);
}

Bytes Handshake::begin() { return side_ == Side::listener ? challenge() : Bytes(); }

Bytes Handshake::receive(std::span<const std::byte> message) {
  if (state_ != State::running) return {};
  try {
    switch (awaits_) {
      case Awaits::response:
        return judge(message);
      case Awaits::challenge:
        return answer(message);
      case Awaits::verdict:
        read_verdict(message);
        // It is the client's turn to ask, now that the listener trusts it.
        if (state_ == State::running && side_ == Side::client) return challenge();
        return {};
    }
  } catch (const AuthenticationError& error) {
    refuse(error.what());
  }
  return {};
}

Bytes Handshake::challenge() {
  Bytes message = message_of(challenge_mark);
  append(message, asked_);
  return message;
}

Bytes Handshake::judge(std::span<const std::byte> response) {
  // A peer of 3.11 or before takes the name for a part of the random bytes and answers as it always does.
  Named given{Digest::md5, response};
  if (response.size() != legacy_response) {
    const auto named = parse_name(response);
    if (!named) {
      refuse("The peer's answer to the challenge is none: it names no digest that is known here.");
      return message_of(failure);
    }
    given = *named;
  }
  if (!equal_in_constant_time(hmac(given.digest, key_, asked_), given.rest)) {
    refuse("The peer has another authkey: its answer to the challenge is wrong.");
    return message_of(failure);
  }
  proceed(Awaits::challenge);
  return message_of(welcome);
}

Bytes Handshake::answer(std::span<const std::byte> message) {
  if (!as_text(message).starts_with(challenge_mark)) {
    refuse("The peer sent something else where a challenge was due. Does it have an authkey?");
    return {};
  }
  const auto asked = message.subspan(challenge_mark.size());
  if (asked.size() < legacy_challenge) {
    refuse("The peer's challenge has only " + std::to_string(asked.size()) + " bytes; at least " + std::to_string(legacy_challenge) +
           " are needed.");
    return {};
  }
  Bytes response;
  if (asked.size() == legacy_challenge) {
    response = hmac(Digest::md5, key_, asked);
  } else {
    const auto named = parse_name(asked);
    if (!named) {
      refuse("The peer's challenge names no digest that is known here (md5, sha256, sha384, sha3_256, sha3_384).");
      return {};
    }
    response = message_of(std::string("{").append(name_of(named->digest)).append("}"));
    // The name is covered, too, so that nobody between the two can change it.
    append(response, hmac(named->digest, key_, asked));
  }
  awaits_ = Awaits::verdict;
  return response;
}

void Handshake::read_verdict(std::span<const std::byte> message) {
  if (as_text(message) == welcome) return proceed(Awaits::response);
  refuse("The peer has another authkey: it refused our answer to its challenge.");
}

void Handshake::proceed(Awaits next) noexcept {
  awaits_ = next;
  if (++directions_done_ == 2) state_ = State::trusted;
}

void Handshake::refuse(std::string reason) {
  state_ = State::refused;
  reason_ = std::move(reason);
}

std::string Handshake::awaited() const {
  switch (awaits_) {
    case Awaits::response:
      return "its answer to our challenge";
    case Awaits::challenge:
      return "its challenge";
    case Awaits::verdict:
      return "its verdict on our answer";
  }
  return {};
}

}  // namespace ipc::transport
