#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <ipc/detail/type_name.hpp>

namespace ipc::detail {

class Reader;
class Writer;
struct NamedElements;
struct NamedElementsRequest;

/// A number of equal elements in shared memory, untyped: zeroed when made, freed when the last handle in any process goes,
/// aligned to a cache line. Copies refer to the same memory. Any thread; what the elements mean is the users' agreement.
class SharedElements {
 public:
  /// `tag` names the elements' type, so that a handle arrives as what it was sent. Throws `std::system_error`.
  SharedElements(std::uint64_t tag, std::size_t element_size, std::size_t count);
  std::byte* data() const noexcept { return data_.get(); }
  std::size_t count() const noexcept { return count_; }
  friend bool operator==(const SharedElements&, const SharedElements&) = default;

  void encode(Writer& writer) const;
  /// `EncodingError` when the elements are of another type or size.
  static SharedElements decode(Reader& reader, std::uint64_t tag, std::size_t element_size);

 private:
  friend NamedElements named_elements(const NamedElementsRequest& request);
  /// Of a block or part of the heap that has been looked at.
  explicit SharedElements(const std::shared_ptr<std::byte>& block) noexcept;

  std::shared_ptr<std::byte> data_;
  std::size_t count_;  ///< As it says in front of them: it never changes.
};

/// Keeps the constructors that take `SharedElements` out of the way of a user's braced list of three numbers.
struct OfElements {};

template <class T>
constexpr void require_shareable() {
  static_assert(std::is_trivially_copyable_v<T>, "Only trivially copyable types can be shared: what they own would not be.");
  static_assert(!std::is_pointer_v<T>, "A pointer means nothing in another process.");
  static_assert(alignof(T) <= 64, "Shared memory is aligned to 64 bytes.");
}

/// Names the type of elements, in the words that all compilers share.
template <class Handle>
std::uint64_t elements_tag() {
  static const std::uint64_t tag = type_tag_of(typeid(Handle));
  return tag;
}

/// What is an integer, or becomes one by itself: characters and unscoped enumerations as well; nothing with a fraction.
template <class T>
concept IntegerLike = requires(const T& t) {
  { +t } -> std::integral;
};

[[noreturn]] void refuse_index(std::size_t index, std::size_t size);
[[noreturn]] void refuse_index(std::ptrdiff_t index, std::size_t size);

/// Signed indexes: negative ones count from the end. Throws `std::out_of_range`.
template <IntegerLike Integer>
std::size_t resolve_index(const Integer& given, std::size_t size) {
  const auto index = +given;
  if (std::cmp_greater_equal(index, 0)) {
    if (std::cmp_less(index, size)) return static_cast<std::size_t>(index);
    refuse_index(static_cast<std::size_t>(index), size);
  }
  if (const auto at = static_cast<std::ptrdiff_t>(index) + static_cast<std::ptrdiff_t>(size); at >= 0) return static_cast<std::size_t>(at);
  refuse_index(static_cast<std::ptrdiff_t>(index), size);
}

/// A length given as any integer. Throws `std::invalid_argument` for a negative one.
template <IntegerLike Integer>
std::size_t checked_size(const Integer& given) {
  const auto n = +given;
  if (std::cmp_less(n, 0)) throw std::invalid_argument("An array cannot have " + std::to_string(n) + " elements.");
  return static_cast<std::size_t>(n);
}

}  // namespace ipc::detail
