#pragma once

#include <concepts>
#include <memory>
#include <sstream>
#include <string>
#include <type_traits>

#include <ipc/detail/codec_containers.hpp>
#include <ipc/detail/serialize.hpp>
#include <ipc/error.hpp>

namespace boost::archive {

// Defined by <boost/archive/binary_oarchive.hpp> and <boost/archive/binary_iarchive.hpp>.
class binary_oarchive;
class binary_iarchive;

}  // namespace boost::archive

/// Pointers whose pointee may be of a derived class, or point on to other objects: what they reach travels as a full
/// Boost archive, with its class names (BOOST_CLASS_EXPORT) and its tracking, inside of our message. Only programs that
/// include the two headers above, and link Boost.Serialization, have this. It costs microseconds, and Boost's archives
/// trust what they read: not for messages from strangers.

namespace ipc::detail {

template <class T, class Output = boost::archive::binary_oarchive, class Input = boost::archive::binary_iarchive>
concept ByBoostArchive = std::is_class_v<T> && HasSerialize<std::remove_const_t<T>> && requires {
  sizeof(Output);
  sizeof(Input);
};

/// Both sides run the same build, so that Boost's own header says nothing: no_header | no_codecvt.
inline constexpr unsigned boost_archive_flags = 1u | 2u;

template <class T, class Output = boost::archive::binary_oarchive>
void encode_by_boost(Writer& writer, const T* pointer) {
  std::stringbuf buffer(std::ios::out | std::ios::binary);
  try {
    Output archive(buffer, boost_archive_flags);
    archive << pointer;
  } catch (const std::exception& e) {
    throw EncodingError("`" + type_name<T>() + "*` cannot be sent: " + e.what());
  }
  Codec<std::string>::encode(writer, buffer.str());
}

/// The caller owns what it gets.
template <class T, class Input = boost::archive::binary_iarchive>
T* decode_by_boost(Reader& reader) {
  std::stringbuf buffer(Codec<std::string>::decode(reader), std::ios::in | std::ios::binary);
  T* pointer = nullptr;
  try {
    Input archive(buffer, boost_archive_flags);
    archive >> pointer;
  } catch (const std::exception& e) {
    throw EncodingError("The bytes are no `" + type_name<T>() + "*`: " + e.what());
  }
  return pointer;
}

}  // namespace ipc::detail
