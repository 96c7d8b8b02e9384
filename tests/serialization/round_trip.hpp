#pragma once

#include <utility>

#include <ipc/detail/codec.hpp>

namespace ipc::test {

inline detail::Message message_of(const auto& value) {
  detail::Writer writer;
  detail::encode(writer, value);
  return writer.take();
}

template <class T>
T value_of(detail::Message message) {
  detail::Reader reader(message);
  return detail::decode_all<T>(reader);
}

/// What arrives when `value` is sent.
template <class T>
T round_trip(const T& value) {
  return value_of<T>(message_of(value));
}

/// The same for what must be given up to be sent.
template <class T>
requires(!std::is_lvalue_reference_v<T>) T round_trip_moved(T&& value) {
  detail::Writer writer;
  detail::encode(writer, std::move(value));
  return value_of<T>(writer.take());
}

}  // namespace ipc::test
