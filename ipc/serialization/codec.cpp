#include <ipc/detail/codec.hpp>

#include <string>

namespace ipc::detail {

void fail_left_over(std::size_t bytes) {
  throw EncodingError("The message has " + std::to_string(bytes) +
                      " bytes more than the value needs. It was sent as another type, or damaged.");
}

void fail_choice(const char* type, unsigned value) {
  throw EncodingError("The message has " + std::to_string(value) + " where a " + type +
                      " has no such value. It was sent as another type, or damaged.");
}

void fail_valueless() { throw EncodingError("A std::variant that is valueless by exception has no value that could be encoded."); }

void Nesting::fail() {
  throw EncodingError("Values are nested more than " + std::to_string(limit) +
                      " deep. Send a long chain of objects as a std::vector of them.");
}

}  // namespace ipc::detail
