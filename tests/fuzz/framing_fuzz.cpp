// libFuzzer: a stream of bytes cut into frames. The first byte says how large the pieces are in which it comes. Whatever
// the bytes, the reader asks only for what belongs to the current message, and what it gives is what a plain reading of the
// format gives.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "ipc/transport/framing.hpp"

namespace {

using ipc::Bytes;
using ipc::transport::FrameReader;
using ipc::transport::FrameStatus;

constexpr std::uint64_t limit = 1 << 16;

struct Parsed {
  std::vector<Bytes> messages;
  FrameStatus end = FrameStatus::incomplete;
  bool cut = false;
};

/// As the format's description says, with all bytes at hand.
Parsed parse_plainly(std::span<const std::byte> stream) {
  Parsed parsed;
  const auto number = [](std::span<const std::byte> bytes) {
    std::uint64_t value = 0;
    for (const std::byte byte : bytes) value = value * 256 + std::to_integer<unsigned>(byte);
    return value;
  };
  while (!stream.empty()) {
    parsed.cut = true;
    if (stream.size() < 4) return parsed;
    std::uint64_t size = number(stream.first(4));
    stream = stream.subspan(4);
    if (size == 0xffffffff) {
      if (stream.size() < 8) return parsed;
      size = number(stream.first(8));
      stream = stream.subspan(8);
    } else if (size > 0x7fffffff) {
      parsed.end = FrameStatus::malformed;
      return parsed;
    }
    if (size > limit) {
      parsed.end = FrameStatus::too_long;
      return parsed;
    }
    if (stream.size() < size) return parsed;
    parsed.messages.emplace_back(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(size));
    stream = stream.subspan(static_cast<std::size_t>(size));
    parsed.cut = false;
  }
  return parsed;
}

Parsed parse_in_pieces(std::span<const std::byte> stream, std::size_t step, bool take) {
  FrameReader reader(limit);
  Parsed parsed;
  while (!stream.empty()) {
    const auto room = reader.room();
    if (room.empty()) std::abort();
    const std::size_t size = std::min({room.size(), step, stream.size()});
    std::memcpy(room.data(), stream.data(), size);
    stream = stream.subspan(size);
    parsed.end = reader.advance(size);
    if (parsed.end == FrameStatus::too_long || parsed.end == FrameStatus::malformed) {
      if (!reader.room().empty()) std::abort();
      break;
    }
    if (parsed.end != FrameStatus::complete) continue;
    parsed.messages.push_back(take ? reader.take_message() : Bytes(reader.message().begin(), reader.message().end()));
    reader.next();
    parsed.end = FrameStatus::incomplete;
  }
  parsed.cut = reader.inside_message() || parsed.end != FrameStatus::incomplete;
  return parsed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto stream = std::as_bytes(std::span(data + 1, size - 1));
  const Parsed expected = parse_plainly(stream);
  const Parsed given = parse_in_pieces(stream, 1U + data[0] % 64U, data[0] >= 128);
  if (given.messages != expected.messages || given.end != expected.end || given.cut != expected.cut) std::abort();
  return 0;
}
