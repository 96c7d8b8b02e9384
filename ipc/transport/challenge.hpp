#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include <ipc/bytes.hpp>

namespace ipc::transport {

/// Whose turn is first: the listener's challenge comes before the client's.
enum class Side : unsigned char { listener, client };

/// One side of the mutual handshake: each proves to the other that it knows the key, without showing it. As CPython's
/// `multiprocessing.connection` does it, up to 3.11 (bare HMAC-MD5) and from 3.12 (the digest is named). A function from
/// message to message: no I/O, no clock, no randomness of its own. One thread at a time.
///
///     challenger                                          answerer
///     #CHALLENGE#{sha256}<40 random bytes>      ->
///                                               <-        {sha256}<HMAC-SHA256 of all behind #CHALLENGE#>
///     #WELCOME# or #FAILURE#                    ->
///
/// The listener challenges first, then the client. What marks a peer of 3.11 or before: a challenge of 20 random bytes
/// and no name, to be answered with 16 bytes of HMAC-MD5, and such answers to ours.
///
/// The handshake says who is there and nothing more: what follows is neither encrypted nor protected against somebody who
/// sits between the two.
class Handshake {
 public:
  static constexpr std::size_t max_message = 256;
  static constexpr std::size_t random_size = 40;
  using Random = std::array<std::byte, random_size>;

  enum class State : unsigned char { running, trusted, refused };

  /// `random` must be fresh, and nobody may be able to guess it. The key may be empty.
  Handshake(Side side, Bytes key, const Random& random);

  /// What to send before anything is received; nothing when the peer begins.
  Bytes begin();
  /// What to send after `message` has come; nothing when there is nothing to say (no message of the handshake is empty). To
  /// be sent also when the state is `refused` now: the peer is told.
  Bytes receive(std::span<const std::byte> message);

  State state() const noexcept { return state_; }
  /// Once `refused`: a sentence.
  const std::string& reason() const noexcept { return reason_; }
  /// Half of it is done: the peer knows our key, or we know that it has ours. For sentences.
  std::string awaited() const;

 private:
  enum class Awaits : unsigned char { response, challenge, verdict };

  Bytes challenge();
  Bytes judge(std::span<const std::byte> response);
  Bytes answer(std::span<const std::byte> message);
  void read_verdict(std::span<const std::byte> message);
  /// One of the two directions is done.
  void proceed(Awaits next) noexcept;
  void refuse(std::string reason);

  Side side_;
  Bytes key_;
  Bytes asked_;  // What our challenge covers: the digest's name and the random bytes.
  Awaits awaits_;
  int directions_done_ = 0;
  State state_ = State::running;
  std::string reason_;
};

}  // namespace ipc::transport
