#pragma once

#include <cstddef>
#include <cstring>

namespace ipc::detail {

/// std::memcpy for what may be long. SUBTLE: the C library copies more than two or three KiB by the processor's string
/// instruction, and that one may crawl: on AMD's Zen 3 at a seventeenth of the speed where the addresses' last twelve bits
/// differ by 8 or 16, as those of a message behind its header and of a fresh block of memory do. What it copies in smaller
/// pieces goes through vector registers, as fast everywhere.
inline void copy_bytes(void* to, const void* from, std::size_t size) noexcept {
  std::size_t piece = 2048;
#if defined(__GNUC__)
  // Of a size that it knows the compiler would make that instruction itself.
  asm("" : "+r"(piece));
#endif
  auto* out = static_cast<std::byte*>(to);
  const auto* in = static_cast<const std::byte*>(from);
  for (; size > piece; size -= piece) {
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
