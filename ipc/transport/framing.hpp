#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <ipc/bytes.hpp>

namespace ipc::transport {

/// Messages in a stream of bytes, as CPython's `multiprocessing.connection` puts them there. No I/O here.
///
/// NOTE: wire structure. Before each message stands its size: 4 bytes, big-endian, signed; or -1 in these four and the
/// size in 8 bytes, big-endian, unsigned. A message may be empty.

/// The bytes that stand before a message.
class FrameHeader {
 public:
  explicit FrameHeader(std::uint64_t message_size) noexcept;
  std::span<const std::byte> bytes() const noexcept { return std::span(bytes_).first(size_); }

 private:
  std::array<std::byte, 12> bytes_{};
  std::size_t size_ = 4;
};

enum class FrameStatus : std::uint8_t {
  incomplete,  ///< `room()` says where the next bytes go.
  complete,    ///< `message()` is there.
  too_long,    ///< The message that was announced is larger than the limit. Nothing of it was taken.
  malformed,   ///< This is no size: the peer does not speak this protocol.
};

/// Takes one message after the other out of a stream, and never asks for a byte that is not the current message's: what
/// follows stays where it comes from. After `too_long` and `malformed` the stream is of no more use.
/// A size that a peer announces is believed only as far as it costs nothing: memory grows with what arrives.
/// One thread at a time.
class FrameReader {
 public:
  explicit FrameReader(std::uint64_t max_size = UINT64_MAX) noexcept : max_size_(max_size) {}

  /// For the next message, before its first byte has come.
  void set_limit(std::uint64_t max_size) noexcept { max_size_ = max_size; }
  /// Where to put the next bytes of the stream, at most so many; never empty while `incomplete`. Throws `std::bad_alloc`.
  std::span<std::byte> room();
  /// So many bytes were put there.
  FrameStatus advance(std::size_t size) noexcept;
  FrameStatus status() const noexcept { return status_; }
  /// The message, once it is `complete`, until `next`.
  std::span<const std::byte> message() const noexcept { return std::span(body_).first(static_cast<std::size_t>(size_)); }
  /// The same, for the caller to keep.
  Bytes take_message();
  /// What was announced, once that is known: for the sentence about `too_long`.
  std::uint64_t announced() const noexcept { return size_; }
  /// Whether an end of the stream here would cut a message in two.
  bool inside_message() const noexcept { return header_got_ != 0 && status_ == FrameStatus::incomplete; }
  /// Forgets the message, to read the next one.
  void next() noexcept;

 private:
  void read_header() noexcept;

  std::uint64_t max_size_;
  std::uint64_t size_ = 0;       // Of the message, when the header is complete.
  std::size_t header_need_ = 4;  // 12, once the first four bytes are -1.
  std::size_t header_got_ = 0;
  std::size_t body_got_ = 0;
  Bytes body_;  // Longer than the message where an earlier one was.
  std::array<std::byte, 12> header_{};
  FrameStatus status_ = FrameStatus::incomplete;
};

}  // namespace ipc::transport
