#pragma once

#include <concepts>
#include <type_traits>

#include <boost/serialization/access.hpp>

/// Which classes have a Boost.Serialization `serialize`, and how it is called. Only <boost/serialization/access.hpp>
/// is included: the rest of Boost.Serialization is there when the user included it.

namespace boost::serialization {

// Defined by <boost/serialization/version.hpp>, which a user of BOOST_CLASS_VERSION has included.
template <class T>
struct version;

/// Base of ipc's archives, so that argument-dependent lookup looks for free `serialize` functions here, too.
struct ipc_archive_base {};

}  // namespace boost::serialization

namespace ipc::detail {
struct ProbeArchive : boost::serialization::ipc_archive_base {};
struct ProbeAnswer {};
}  // namespace ipc::detail

namespace boost::serialization {

// SUBTLE: never called, only resolved. It is more specialised than Boost's generic `serialize(Archive&, T&, unsigned)`,
// so that it is chosen when nobody wrote one for T; against an overload for T neither is, and the call is ambiguous.
template <class T>
::ipc::detail::ProbeAnswer serialize(::ipc::detail::ProbeArchive& archive, T& value, const unsigned int version);

}  // namespace boost::serialization

namespace ipc::detail {

template <class T>
concept NoFreeSerialize = requires(ProbeArchive& archive, T& value, const unsigned int version) {
  { serialize(archive, value, version) } -> std::same_as<ProbeAnswer>;
};

/// Somebody wrote `template <class Archive> void serialize(Archive&, T&, const unsigned int)`.
template <class T>
concept FreeSerialize = (std::is_class_v<T> || std::is_union_v<T> || std::is_enum_v<T>)&&!NoFreeSerialize<T>;

struct NamesSerialize {
  int serialize;
};
template <class T>
struct NamesSerializeTwice : T, NamesSerialize {};

template <class T>
concept PublicMemberSerialize = requires(T& value, ProbeArchive& archive) {
  value.serialize(archive, 0u);
};

template <class T>
concept OtherSerialize = requires {
  &T::serialize;
};

// SUBTLE: a private member cannot be seen, but its name can: looking it up in a class that inherits the name a second
// time is ambiguous. Final classes cannot be looked into; their `serialize` must be public or a free function.
template <class T>
consteval bool has_member_serialize() {
  if constexpr (!std::is_class_v<T>) {
    return false;
  } else if constexpr (std::is_final_v<T>) {
    return PublicMemberSerialize<T>;
  } else if constexpr (requires { &NamesSerializeTwice<T>::serialize; }) {
    return false;
  } else {
    // A public member of that name which cannot take an archive is something else, `std::string serialize() const`.
    return PublicMemberSerialize<T> || !OtherSerialize<T>;
  }
}

template <class T>
concept MemberSerialize = has_member_serialize<T>();

template <class T>
concept HasSerialize = FreeSerialize<T> || MemberSerialize<T>;

/// The version that BOOST_CLASS_VERSION gave T, else 0. It does not travel: both sides run the same build.
template <class T>
constexpr unsigned version_of() {
  if constexpr (requires { boost::serialization::version<T>::value; }) {
    return static_cast<unsigned>(boost::serialization::version<T>::value);
  } else {
    return 0;
  }
}

/// A free function goes before a member, as in Boost: the member may have been inherited.
template <class Archive, class T>
void call_serialize(Archive& archive, T& value) {
  if constexpr (FreeSerialize<T>) {
    serialize(archive, value, version_of<T>());
  } else {
    boost::serialization::access::serialize(archive, value, version_of<T>());
  }
}

}  // namespace ipc::detail
