#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <ipc/detail/served.hpp>

#include "ipc/manager/greeting.hpp"

/// Requests to a manager's server, written by hand.

namespace ipc::test {

/// A piece as it lies on the wire: text as it is, everything else as in memory.
template <class T>
std::string raw(const T& piece) {
  if constexpr (std::is_same_v<T, std::string>)
    return piece;
  else
    return std::string(reinterpret_cast<const char*>(&piece), sizeof piece);
}
template <class... Pieces>
std::string request(const detail::RequestHeader& header, const Pieces&... pieces) {
  return (raw(header) + ... + raw(pieces));
}
inline std::span<const std::byte> bytes_in(const std::string& text) { return std::as_bytes(std::span(text)); }

/// The greeting of a client that has the session of this number.
inline manager::Greeting greeting_of(std::uint64_t session) {
  manager::Greeting greeting;
  for (std::size_t i = 0; i < sizeof session; ++i) greeting.session.at(i) = static_cast<std::byte>(session >> (8 * i));
  return greeting;
}
inline std::string hello(std::uint64_t session) { return request({.op = detail::Op::hello}, greeting_of(session)); }

inline std::string element(const std::string& bytes, const std::vector<detail::ObjectId>& objects = {}, std::uint16_t fds = 0) {
  std::string text =
      raw(detail::ElementHeader{static_cast<std::uint32_t>(bytes.size()), fds, static_cast<std::uint16_t>(objects.size())}) + bytes;
  for (const detail::ObjectId object : objects) text += raw(object);
  return text;
}

}  // namespace ipc::test
