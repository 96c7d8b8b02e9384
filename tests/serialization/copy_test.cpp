// Long copies go in pieces, with what comes next fetched ahead. What it would catch: a piece that is left out, copied twice, or
// ends beyond the end.
#include <ipc/detail/copy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

constexpr std::size_t kib = 1024;
constexpr std::size_t sizes[] = {
    0,        1,        1023,         1024,     1025,     2047,     2048,         2049,         5 * kib,      16 * kib - 1, 16 * kib,
    18 * kib, 19 * kib, 19 * kib + 1, 64 * kib, 65 * kib, 69 * kib, 64 * kib - 1, 64 * kib + 1, 69 * kib + 1, 1 << 20,      3'000'001};

std::vector<std::uint8_t> numbered(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i ^ i >> 8 ^ i >> 16);
  return bytes;
}

}  // namespace

TEST_CASE("copy: every size arrives whole, wherever it lies, and nothing beside it is written") {
  constexpr std::size_t margin = 128;
  for (const std::size_t size : sizes) {
    for (const std::size_t offset : {0, 1, 8, 63}) {
      const auto from = numbered(size + offset);
      std::vector<std::uint8_t> to(size + 2 * margin, 0xEE);
      ipc::detail::copy_bytes(to.data() + margin, from.data() + offset, size);
      const bool whole = std::equal(from.begin() + static_cast<std::ptrdiff_t>(offset), from.end(), to.begin() + margin);
      CHECK(whole);
      std::size_t untouched = 0;
      for (std::size_t i = 0; i < margin; ++i) untouched += to[i] == 0xEE && to[size + margin + i] == 0xEE ? 1u : 0u;
      CHECK(untouched == margin);
    }
  }
}

TEST_CASE("copy: what is appended follows what was there") {
  for (const std::size_t size : sizes) {
    const auto from = numbered(size);
    std::vector<std::uint8_t> to{1, 2, 3};
    ipc::detail::append_copy(to, from.data(), size);
    REQUIRE(to.size() == size + 3);
    const bool whole = to[2] == 3 && std::equal(from.begin(), from.end(), to.begin() + 3);
    CHECK(whole);
  }
}
