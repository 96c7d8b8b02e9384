#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include <ipc/bytes.hpp>

namespace ipc::test {

/// Sizes of messages that meet every border of a ring: empty, small, as large as the ring, several times that.
inline std::size_t pattern_size(std::uint32_t sequence, std::size_t ring) {
  std::mt19937 random(sequence);
  switch (random() % 8) {
    case 0:
      return 0;
    case 1:
      return ring - 16 + random() % 16;
    case 2:
      return random() % (5 * ring);
    default:
      return random() % 200;
  }
}

/// A message of that size which tells its number.
inline std::string pattern(std::uint32_t sequence, std::size_t ring) {
  std::string text(pattern_size(sequence, ring), '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>((sequence * 31 + i * 7) % 251);
  return text;
}

inline bool is_pattern(const Bytes& bytes, std::uint32_t sequence, std::size_t ring) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == pattern(sequence, ring);
}

}  // namespace ipc::test
