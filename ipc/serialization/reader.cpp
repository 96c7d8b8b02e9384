#include <ipc/detail/reader.hpp>

#include <string>

#include <ipc/error.hpp>

namespace ipc::detail {

Fd Reader::fd() {
  if (fds_.empty() || !fds_.front()) {
    throw EncodingError("The message carries fewer descriptors than its type needs: it was sent as another type, or damaged.");
  }
  Fd first = std::move(fds_.front());
  fds_ = fds_.subspan(1);
  return first;
}

void Reader::fail_short(std::size_t wanted) const {
  throw EncodingError("The message ends too early: " + std::to_string(wanted) + " more bytes were expected, " +
                      std::to_string(remaining()) + " are left. It was sent as another type, or damaged.");
}

void Reader::fail_count(std::uint64_t n) {
  throw EncodingError("The message announces " + std::to_string(n) +
                      " elements, more than its bytes can hold. It was sent as another type, or damaged.");
}

}  // namespace ipc::detail
