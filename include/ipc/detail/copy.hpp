#pragma once

#include <cstddef>
#include <cstring>

#include <ipc/detail/prefetch.hpp>

namespace ipc::detail {

/// Has the processor fetch both sides of what will be copied soon, and goes on.
inline void prefetch_to_copy(const std::byte* to, const std::byte* from, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; i += 64) {
    prefetch_to_read(from + i);
    prefetch_to_write(to + i);
  }
}

/// std::memcpy for what may be long. SUBTLE: the C library copies more than two or three KiB by the processor's string
/// instruction, and that one may crawl: on AMD's Zen 3 at a seventeenth of the speed where the addresses' last twelve bits
/// differ by 8 or 16, as those of a message behind its header and of a fresh block of memory do. What it copies in smaller
/// pieces goes through vector registers, as fast everywhere.
inline void copy_bytes(void* to, const void* from, std::size_t size) noexcept {
  auto* out = static_cast<std::byte*>(to);
  const auto* in = static_cast<const std::byte*>(from);
  // What is so long is seldom in a near cache, and where it goes was last read by another processor. The processor's own
  // fetching ahead ends with each page. Where the lines are there already this costs nothing to speak of.
  constexpr std::size_t far = std::size_t{16} << 10;
  constexpr std::size_t ahead = 2048;
  std::size_t piece = 1024;
#if defined(__GNUC__)
  // Of a size that it knows the compiler would make that instruction itself.
  asm("" : "+r"(piece));
#endif
  if (size >= far) {
    for (; size > ahead + piece; size -= piece) {
      prefetch_to_copy(out + ahead, in + ahead, piece);
      std::memcpy(out, in, piece);
      out += piece;
      in += piece;
    }
  }
  for (piece *= 2; size > piece; size -= piece) {
    std::memcpy(out, in, piece);
    out += piece;
    in += piece;
  }
  if (size != 0) std::memcpy(out, in, size);
}

/// The same, to the end of a vector or string, without writing zeros there first.
template <class Container>
void append_copy(Container& to, const typename Container::value_type* from, std::size_t count) {
  constexpr std::size_t piece = sizeof(typename Container::value_type) < 2048 ? 2048 / sizeof(typename Container::value_type) : 1;
  for (; count > piece; count -= piece, from += piece) to.insert(to.end(), from, from + piece);
  to.insert(to.end(), from, from + count);
}

}  // namespace ipc::detail
