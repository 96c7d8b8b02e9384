// Bytes that somebody else wrote: whatever they are, decoding ends in a value or in EncodingError. AddressSanitizer and
// UndefinedBehaviorSanitizer judge these tests.

#include <bitset>
#include <filesystem>
#include <random>

#include <ipc/detail/exception.hpp>

#include "tests/serialization/round_trip.hpp"
#include "tests/support/catch.hpp"

namespace {

using ipc::test::message_of;
using ipc::test::value_of;

struct Record {
  std::uint64_t id = 0;
  int kind = 0;
  std::string name;
  std::vector<double> samples;
  std::optional<bool> flag;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& id& kind& name& samples& flag;
  }
};

/// Decodes as T; true when that gave a value.
template <class T>
bool decodes(std::span<const std::byte> bytes) {
  try {
    ipc::detail::Reader reader(bytes);
    static_cast<void>(ipc::detail::decode_all<T>(reader));
    return true;
  } catch (const ipc::EncodingError&) {
    return false;  // Anything else leaves the test.
  }
}

/// Every prefix, and every byte replaced by values that are likely to matter.
template <class T>
void mutilate(const T& value) {
  const ipc::Bytes whole = message_of(value).bytes;
  REQUIRE(decodes<T>(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(decodes<T>(std::span(whole).first(size)));
  ipc::Bytes changed = whole;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int with : {0, 1, 2, 0x7f, 0x80, 0xfe, 0xff}) {
      changed[i] = std::byte(with);
      decodes<T>(changed);
    }
    for (int bit = 0; bit < 8; ++bit) {
      changed[i] = whole[i] ^ std::byte(1 << bit);
      decodes<T>(changed);
    }
    changed[i] = whole[i];
  }
  changed.push_back(std::byte{0});
  CHECK_FALSE(decodes<T>(changed));
}

TEST_CASE("a damaged or truncated message is a value or an EncodingError, for every kind of value") {
  mutilate(7);
  mutilate(true);
  mutilate(std::string("some text"));
  mutilate(std::u32string(U"wide"));
  mutilate(std::vector<int>{1, 2, 3});
  mutilate(std::vector<bool>(13, true));
  mutilate(std::vector<std::string>{"a", "bb", ""});
  mutilate(std::list<std::pair<int, std::string>>{{1, "a"}, {2, "b"}});
  mutilate(std::forward_list<std::int8_t>{1, 2});
  mutilate(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {2, 3}}});
  mutilate(std::unordered_multimap<int, std::string>{{1, "a"}, {1, "b"}});
  mutilate(std::set<std::string>{"a", "b"});
  mutilate(std::optional<std::optional<bool>>{true});
  mutilate(std::variant<std::monostate, int, std::string, bool>{"text"});
  mutilate(std::tuple<bool, std::array<bool, 3>, std::array<int, 2>>{true, {true, false, true}, {1, 2}});
  mutilate(std::bitset<11>(0x2aa));
  mutilate(std::filesystem::path("/tmp/x"));
  mutilate(std::shared_ptr<std::string>(new std::string("shared")));
  mutilate(std::vector<Record>{{1, 2, "three", {4.0}, true}, {}});
}

TEST_CASE("random bytes are a value or an EncodingError") {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    ipc::Bytes bytes(random() % 64);
    // Small numbers get further than large ones: they pass for lengths.
    for (auto& byte : bytes) byte = std::byte(random() % 4 == 0 ? random() % 256 : random() % 3);
    decodes<std::vector<Record>>(bytes);
    decodes<std::map<std::string, std::vector<std::optional<std::string>>>>(bytes);
    decodes<std::variant<std::vector<std::uint8_t>, std::deque<std::vector<bool>>, Record>>(bytes);
  }
}

TEST_CASE("a bool is 0 or 1, an alternative exists, a bitset has its size") {
  CHECK_FALSE(decodes<bool>(message_of(std::uint8_t{2}).bytes));
  CHECK_FALSE(decodes<std::optional<int>>(message_of(std::pair{std::uint8_t{2}, 5}).bytes));
  CHECK_FALSE(decodes<std::variant<int, float>>(message_of(std::pair{std::uint8_t{2}, 5}).bytes));
  CHECK(value_of<std::bitset<3>>(message_of(std::uint64_t{0xff})).to_ulong() == 7);
}

TEST_CASE("an announced length never becomes an allocation that the message could not fill") {
  for (const std::uint64_t length : {std::uint64_t{1} << 62, ~std::uint64_t{0}, std::uint64_t{1} << 32, std::uint64_t{9}}) {
    const ipc::Bytes bytes = message_of(std::pair{length, std::uint64_t{0}}).bytes;
    CHECK_FALSE(decodes<std::string>(bytes));
    CHECK_FALSE(decodes<std::u32string>(bytes));
    CHECK_FALSE(decodes<std::vector<double>>(bytes));
    CHECK_FALSE(decodes<std::vector<std::string>>(bytes));
    CHECK_FALSE(decodes<std::vector<std::tuple<>>>(bytes));
    CHECK_FALSE(decodes<std::unordered_set<int>>(bytes));
  }
  CHECK_FALSE(decodes<std::vector<bool>>(message_of(~std::uint64_t{0}).bytes));
}

TEST_CASE("a message without the descriptors that its type needs is refused") {
  CHECK_FALSE(decodes<ipc::Fd>({}));
  CHECK_FALSE(decodes<std::vector<ipc::Fd>>(message_of(std::pair{std::uint64_t{1}, std::byte{0}}).bytes));
}

TEST_CASE("a damaged exception is an exception or an EncodingError") {
  const auto mutilate_exception = [](const auto& thrown) {
    ipc::detail::Writer writer;
    ipc::detail::encode_exception(writer, std::make_exception_ptr(thrown), "Worker-1", 17);
    const ipc::Bytes whole = writer.take().bytes;
    const auto try_decode = [](std::span<const std::byte> bytes) {
      try {
        ipc::detail::Reader reader(bytes);
        return ipc::detail::decode_exception(reader) != nullptr;
      } catch (const ipc::EncodingError&) {
        return false;
      }
    };
    REQUIRE(try_decode(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(try_decode(std::span(whole).first(size)));
    ipc::Bytes changed = whole;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      for (int value = 0; value < 256; ++value) {
        changed[i] = std::byte(value);
        try_decode(changed);
      }
      changed[i] = whole[i];
    }
  };
  mutilate_exception(std::invalid_argument("bad"));
  mutilate_exception(std::filesystem::filesystem_error("x", "/a", std::make_error_code(std::errc::io_error)));
}

}  // namespace
