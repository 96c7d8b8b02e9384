#include "ipc/transport/framing.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace ipc::transport {
namespace {

constexpr std::size_t short_header = 4;
constexpr std::size_t long_header = 12;
constexpr std::uint64_t largest_short_size = std::numeric_limits<std::int32_t>::max();
constexpr std::uint32_t long_mark = 0xffffffff;  // -1
/// So much is allocated on the word of a peer, and afterwards as much again as has come.
constexpr std::size_t first_room = std::size_t{1} << 20;
/// A buffer of this size is kept for the next message.
constexpr std::size_t kept_room = std::size_t{1} << 20;
/// A message that the caller keeps has at most so much more memory than it needs.
constexpr std::size_t kept_in_message = 4096;

void put_big_endian(std::byte* out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(value >> (8 * (size - 1 - i)));
}

std::uint64_t get_big_endian(const std::byte* in, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | std::to_integer<std::uint64_t>(in[i]);
  return value;
}

}  // namespace

FrameHeader::FrameHeader(std::uint64_t message_size) noexcept {
  if (message_size <= largest_short_size) {
    put_big_endian(bytes_.data(), message_size, short_header);
  } else {
    put_big_endian(bytes_.data(), long_mark, short_header);
    put_big_endian(bytes_.data() + short_header, message_size, long_header - short_header);
    size_ = long_header;
  }
}

std::span<std::byte> FrameReader::room() {
  if (status_ != FrameStatus::incomplete) return {};
  if (header_got_ < header_need_) return std::span(header_).subspan(header_got_, header_need_ - header_got_);
  const auto size = static_cast<std::size_t>(size_);
  // Resizing writes zeros that are written over: cheaper than to copy the message into what `take_message` gives.
  if (body_got_ == body_.size()) body_.resize(std::min(size, std::max(first_room, 2 * body_.size())));
  return std::span(body_).subspan(body_got_, std::min(size, body_.size()) - body_got_);
}

Bytes FrameReader::take_message() {
  const auto size = static_cast<std::size_t>(size_);
  // A small message in what a large one has left is worth a copy.
  if (body_.size() > 2 * size + kept_in_message) return Bytes(body_.begin(), body_.begin() + static_cast<std::ptrdiff_t>(size));
  body_.resize(size);
  return std::exchange(body_, {});
}

FrameStatus FrameReader::advance(std::size_t size) noexcept {
  if (header_got_ < header_need_) {
    header_got_ += size;
    read_header();
  } else {
    body_got_ += size;
    if (body_got_ == size_) status_ = FrameStatus::complete;
  }
  return status_;
}

void FrameReader::read_header() noexcept {
  if (header_got_ == short_header) {
    const auto first = static_cast<std::uint32_t>(get_big_endian(header_.data(), short_header));
    if (first == long_mark) {
      header_need_ = long_header;
    } else if (first > largest_short_size) {
      status_ = FrameStatus::malformed;
      return;
    } else {
      size_ = first;
    }
  } else if (header_got_ == long_header) {
    size_ = get_big_endian(header_.data() + short_header, long_header - short_header);
  }
  if (header_got_ < header_need_) return;
  if (size_ > max_size_) {
    status_ = FrameStatus::too_long;
  } else if (size_ > static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max())) {
    status_ = FrameStatus::malformed;
  } else if (size_ == 0) {
    status_ = FrameStatus::complete;
  }
}

void FrameReader::next() noexcept {
  if (body_.size() > kept_room) body_ = Bytes();
  size_ = 0;
  header_need_ = short_header;
  header_got_ = body_got_ = 0;
  status_ = FrameStatus::incomplete;
}

}  // namespace ipc::transport
