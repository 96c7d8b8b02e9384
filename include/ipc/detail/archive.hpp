#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <boost/mpl/bool.hpp>

#include <ipc/detail/boost_pointer.hpp>
#include <ipc/detail/codec_core.hpp>
#include <ipc/detail/nesting.hpp>
#include <ipc/detail/serialize.hpp>

namespace boost::serialization {

// Of Boost headers that the user may have included; complete wherever a value of theirs reaches an archive.
template <class T>
class array_wrapper;
class collection_size_type;
class item_version_type;

}  // namespace boost::serialization

namespace ipc::detail {

template <class T>
inline constexpr bool is_array_wrapper_v = false;
template <class T>
inline constexpr bool is_array_wrapper_v<boost::serialization::array_wrapper<T>> = true;

/// Boost's own numbers, which its `serialize` functions for containers write, and what they are made from; else void.
template <class T>
using BoostNumber = std::conditional_t<std::is_same_v<T, boost::serialization::collection_size_type>, std::size_t,
                                       std::conditional_t<std::is_same_v<T, boost::serialization::item_version_type>, unsigned, void>>;
template <class T>
inline constexpr bool is_boost_number_v = !std::is_void_v<BoostNumber<T>>;

/// Travels through its own `serialize`; what codec_std.hpp knows does not, even where Boost has one for it.
template <class T>
concept BySerialize = requires {
  requires Codec<T>::by_serialize;
};

/// Raw pointers in a `serialize` function own what they point to, as in Boost. Outside of one they cannot be sent.
template <class T>
inline constexpr bool is_member_pointer_by_boost = std::is_pointer_v<T>&& ByBoostArchive<std::remove_pointer_t<T>>;

/// What the `get_library_version()` of both archives answers: Boost's functions compare it with old numbers to learn
/// which fields to expect, and ours are always there.
inline constexpr std::uint16_t archive_library_version = 19;

/// The archives that a class's `serialize` is called with. They are Boost's Archive concept without its costs: no
/// header, no class information, no tracking (two pointers to one object become two objects). They know how the
/// standard library's types travel, so that a `serialize` needs no Boost header for members of these.
/// Made on the stack for one value. One thread at a time.
///
/// With `gives_up` the caller gives the value up: members that the function names as its own, not as const, move into the message
/// where they cannot be copied.
template <bool gives_up>
class BasicOutputArchive : boost::serialization::ipc_archive_base {
 public:
  using is_saving = boost::mpl::bool_<true>;
  using is_loading = boost::mpl::bool_<false>;

  explicit BasicOutputArchive(Writer& writer) noexcept : writer_(writer) {}

  template <class T>
  BasicOutputArchive& operator<<(const T& value) {
    save(value);
    return *this;
  }
  template <class T>
  BasicOutputArchive& operator&(const T& value) {
    save(value);
    return *this;
  }
  // Numbers are left to those above, which take bit-fields.
  template <class T>
  requires(gives_up && !std::is_const_v<T> && !std::is_scalar_v<T>) BasicOutputArchive& operator<<(T& value) {
    save(value);
    return *this;
  }
  template <class T>
  requires(gives_up && !std::is_const_v<T> && !std::is_scalar_v<T>) BasicOutputArchive& operator&(T& value) {
    save(value);
    return *this;
  }
  void save_binary(const void* data, std::size_t size) { writer_.bytes(data, size); }

  template <class T>
  const void* register_type(const T* = nullptr) noexcept {
    return nullptr;
  }
  std::uint16_t get_library_version() const noexcept { return archive_library_version; }
  Writer& writer() noexcept { return writer_; }

 private:
  template <class T>
  void save(T& value) {
    using Plain = std::remove_const_t<T>;
    if constexpr (std::is_array_v<T>) {
      save_range(value, std::extent_v<T>);
    } else if constexpr (is_array_wrapper_v<Plain>) {
      save_range(value.address(), value.count());
    } else if constexpr (is_boost_number_v<Plain>) {
      writer_.raw(static_cast<BoostNumber<Plain>>(value));
    } else if constexpr (BySerialize<Plain>) {
      Nesting nesting(writer_);
      // `serialize` takes a reference for both directions.
      if constexpr (gives_up && std::is_const_v<T>) {
        BasicOutputArchive<false> copying(writer_);
        call_serialize(copying, const_cast<Plain&>(value));
      } else {
        call_serialize(*this, const_cast<Plain&>(value));
      }
    } else if constexpr (is_member_pointer_by_boost<Plain>) {
      encode_by_boost<std::remove_const_t<std::remove_pointer_t<Plain>>>(writer_, value);
    } else if constexpr (gives_up && !std::is_const_v<T>) {
      Codec<Plain>::encode(writer_, std::move(value));
    } else {
      Codec<Plain>::encode(writer_, std::as_const(value));
    }
  }
  template <class T>
  void save_range(T* first, std::size_t size) {
    if constexpr (Codec<std::remove_cv_t<T>>::flat) {
      writer_.bytes(first, size * sizeof(T));
    } else {
      for (std::size_t i = 0; i < size; ++i) save(first[i]);
    }
  }

  Writer& writer_;
};

using OutputArchive = BasicOutputArchive<false>;
using MovingOutputArchive = BasicOutputArchive<true>;

class InputArchive : boost::serialization::ipc_archive_base {
 public:
  using is_saving = boost::mpl::bool_<false>;
  using is_loading = boost::mpl::bool_<true>;

  explicit InputArchive(Reader& reader) noexcept : reader_(reader) {}

  /// Also takes Boost's wrappers (`make_nvp`, `make_array`, `base_object`), which are temporaries and often const.
  template <class T>
  InputArchive& operator>>(T&& value) {
    load(value);
    return *this;
  }
  template <class T>
  InputArchive& operator&(T&& value) {
    load(value);
    return *this;
  }
  void load_binary(void* data, std::size_t size) { reader_.bytes(data, size); }

  template <class T>
  const void* register_type(const T* = nullptr) noexcept {
    return nullptr;
  }
  template <class T>
  void reset_object_address(const T*, const T*) noexcept {}  // Nothing is tracked.
  void delete_created_pointers() noexcept {}
  std::uint16_t get_library_version() const noexcept { return archive_library_version; }
  Reader& reader() noexcept { return reader_; }

 private:
  template <class T>
  void load(T& value) {
    using Plain = std::remove_const_t<T>;
    if constexpr (std::is_array_v<T>) {
      load_range(value, std::extent_v<T>);
    } else if constexpr (is_array_wrapper_v<Plain>) {
      load_range(value.address(), value.count());
    } else if constexpr (is_boost_number_v<T>) {
      value = T(reader_.raw<BoostNumber<T>>());
    } else if constexpr (BySerialize<Plain>) {
      Nesting nesting(reader_);
      call_serialize(*this, const_cast<Plain&>(value));
    } else if constexpr (is_member_pointer_by_boost<T>) {
      value = decode_by_boost<std::remove_const_t<std::remove_pointer_t<T>>>(reader_);
    } else {
      static_assert(!std::is_const_v<T>, "ipc: a serialize function cannot load into a const member");
      if constexpr (Codec<T>::flat) {
        reader_.bytes(&value, sizeof(T));
      } else {
        value = Codec<T>::decode(reader_);
      }
    }
  }
  template <class T>
  void load_range(T* first, std::size_t size) {
    if constexpr (Codec<T>::flat) {
      reader_.bytes(first, size * sizeof(T));
    } else {
      for (std::size_t i = 0; i < size; ++i) load(first[i]);
    }
  }

  Reader& reader_;
};

}  // namespace ipc::detail
