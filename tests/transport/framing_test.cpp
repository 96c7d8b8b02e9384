#include "ipc/transport/framing.hpp"

#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include <ipc/bytes.hpp>

#include "tests/support/catch.hpp"
#include "tests/transport/bytes_of.hpp"

namespace {

using ipc::Bytes;
using ipc::test::bytes_of;
using ipc::test::hex;
using ipc::test::unhex;
using ipc::transport::FrameHeader;
using ipc::transport::FrameReader;
using ipc::transport::FrameStatus;

Bytes frame(std::string_view message) {
  const FrameHeader header(message.size());
  Bytes bytes(header.bytes().begin(), header.bytes().end());
  const Bytes body = bytes_of(message);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

/// Feeds a stream in pieces of at most `step` bytes; gives the messages, and how it ended.
struct Parsed {
  std::vector<Bytes> messages;
  FrameStatus end = FrameStatus::incomplete;
  std::size_t used = 0;
  bool inside = false;
};
Parsed parse(const Bytes& stream, std::size_t step, std::uint64_t limit = UINT64_MAX) {
  FrameReader reader(limit);
  Parsed parsed;
  while (parsed.used < stream.size()) {
    const auto room = reader.room();
    REQUIRE_FALSE(room.empty());
    const std::size_t size = std::min({room.size(), step, stream.size() - parsed.used});
    std::memcpy(room.data(), stream.data() + parsed.used, size);
    parsed.used += size;
    parsed.end = reader.advance(size);
    if (parsed.end == FrameStatus::too_long || parsed.end == FrameStatus::malformed) return parsed;
    if (parsed.end != FrameStatus::complete) continue;
    parsed.messages.emplace_back(reader.message().begin(), reader.message().end());
    reader.next();
  }
  parsed.inside = reader.inside_message();
  return parsed;
}

TEST_CASE("a frame begins with its size as CPython writes it") {
  CHECK(hex(FrameHeader(0).bytes()) == "00000000");
  CHECK(hex(FrameHeader(59).bytes()) == "0000003b");
  CHECK(hex(FrameHeader(0x7fffffff).bytes()) == "7fffffff");
  CHECK(hex(FrameHeader(0x80000000).bytes()) == "ffffffff0000000080000000");
  CHECK(hex(FrameHeader(0x123456789a).bytes()) == "ffffffff000000123456789a");
}

TEST_CASE("messages keep their borders however the stream is cut") {
  Bytes stream;
  const std::vector<std::string> messages{"", "a", std::string(16384, 'x'), "", std::string(16385, 'y'), "end"};
  for (const std::string& message : messages) {
    const Bytes framed = frame(message);
    stream.insert(stream.end(), framed.begin(), framed.end());
  }
  for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{4096}, stream.size()}) {
    const Parsed parsed = parse(stream, step);
    REQUIRE(parsed.messages.size() == messages.size());
    for (std::size_t i = 0; i < messages.size(); ++i) CHECK(parsed.messages[i] == bytes_of(messages[i]));
    CHECK_FALSE(parsed.inside);
  }
}

TEST_CASE("the reader never asks for a byte of the next message") {
  FrameReader reader;
  CHECK(reader.room().size() == 4);
  const Bytes header = unhex("00000005");
  std::memcpy(reader.room().data(), header.data(), 4);
  CHECK(reader.advance(4) == FrameStatus::incomplete);
  CHECK(reader.room().size() == 5);
  std::memcpy(reader.room().data(), "hel", 3);
  CHECK(reader.advance(3) == FrameStatus::incomplete);
  CHECK(reader.room().size() == 2);
  CHECK(reader.inside_message());
}

TEST_CASE("a size in the long form is read, also one that is small") {
  const Parsed parsed = parse(unhex("ffffffff"
                                    "0000000000000003"
                                    "616263"),
                              5);
  REQUIRE(parsed.messages.size() == 1);
  CHECK(parsed.messages[0] == bytes_of("abc"));
}

TEST_CASE("a message above the limit is refused before any of it is taken") {
  CHECK(parse(unhex("00000100"), 4, 256).end == FrameStatus::incomplete);
  CHECK(parse(unhex("00000101"), 4, 256).end == FrameStatus::too_long);
  CHECK(parse(unhex("ffffffff"
                    "0000000100000000"),
              1, 256)
            .end == FrameStatus::too_long);
}

TEST_CASE("what is no size is refused") {
  CHECK(parse(unhex("80000000"), 4).end == FrameStatus::malformed);
  CHECK(parse(unhex("fffffffe"), 1).end == FrameStatus::malformed);
  CHECK(parse(unhex("ffffffff"
                    "ffffffffffffffff"),
              4)
            .end == FrameStatus::malformed);
}

TEST_CASE("an announced size costs no memory before the message comes") {
  FrameReader reader;
  const Bytes header = unhex(
      "ffffffff"
      "00007fffffffffff");
  for (const std::byte byte : header) {
    reader.room()[0] = byte;
    CHECK(reader.advance(1) == FrameStatus::incomplete);
  }
  CHECK(reader.room().size() <= (std::size_t{1} << 20));
}

TEST_CASE("a stream that ends inside a message is noticed") {
  CHECK(parse(unhex("0000"), 4).inside);
  CHECK(parse(unhex("0000000161"
                    "00000002"
                    "61"),
              4)
            .inside);
  CHECK_FALSE(parse(unhex("0000000161"), 4).inside);
}

}  // namespace
