#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/type_name.hpp>
#include <ipc/shared_memory.hpp>

namespace ipc {

/// What a `ShareableList` can hold: None, a boolean, a 64-bit integer, a double, text, bytes. A value.
class ShareableItem {
 public:
  using Variant = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Bytes>;

  // NOLINTBEGIN(google-explicit-constructor): values are items.
  ShareableItem(std::nullptr_t = nullptr) : value_(nullptr) {}
  template <std::same_as<bool> T>  // And nothing that merely converts to it, as characters and pointers do.
  ShareableItem(T value) : value_(value) {}
  /// Throws `std::invalid_argument` for what 64 bits with a sign cannot hold.
  template <std::integral T>
  requires(!std::is_same_v<T, bool> && !detail::is_character_v<T>) ShareableItem(T value)
      : value_(std::in_place_type<std::int64_t>, static_cast<std::int64_t>(value)) {
    if (!std::in_range<std::int64_t>(value)) fail_integer();
  }
  template <std::floating_point T>
  ShareableItem(T value) : value_(static_cast<double>(value)) {}
  ShareableItem(std::string value) : value_(std::move(value)) {}
  ShareableItem(std::string_view value) : value_(std::string(value)) {}
  ShareableItem(const char* value) : value_(std::string(value)) {}
  ShareableItem(Bytes value) : value_(std::move(value)) {}
  ShareableItem(std::span<const std::byte> value) : value_(Bytes(value.begin(), value.end())) {}
  // NOLINTEND(google-explicit-constructor)

  const Variant& value() const noexcept { return value_; }
  /// As Python compares: see `ShareableList::count`.
  friend bool operator==(const ShareableItem& a, const ShareableItem& b);

 private:
  [[noreturn]] static void fail_integer();

  Variant value_;
};

/// A list of a fixed number of items in named memory: Python's `multiprocessing.shared_memory.ShareableList`, byte for byte (3.9 and
/// newer), so that programs of both languages read and write one list.
///
///     ipc::ShareableList list({1, 2.5, true, "text", nullptr}, "settings");   // here
///     ShareableList(name="settings")[3] == "text"                             # in Python
///     list.set(-1, 7);  list.get<int>(-1);
///
/// Three of Python's faults are not repeated, though the layout is the same:
/// - Text has as much room as its bytes need, where Python counts characters and cuts "Grüße" short.
/// - Trailing NUL bytes are kept. Python cannot tell them from the padding behind an item; here the format of such an item
///   says its exact length ("4sx": four bytes and one that does not matter). Python reads it without its NULs, as it does
///   its own, and when it writes the item, goes back to the usual format. (Items of a million bytes or more that end in
///   NUL do not fit this scheme and are refused.)
/// - An index before the beginning is `std::out_of_range`; Python reads something else in the memory for -len - 1.
///
/// The room of an item is fixed when the list is made: for numbers, booleans and None eight bytes, for text and bytes the
/// next multiple of eight above their length. Items may change their type within it. There is no lock: who writes items
/// that others read at the same time, or may be killed doing so, protects them by one, or they are found half changed.
/// Handles, names and lifetime are those of `SharedMemory`; of a list that somebody spoilt, items are refused
/// (`EncodingError`), and nothing outside of the memory is touched.
class ShareableList {
 public:
  using Item = ShareableItem;

  /// Copies the items to new memory. Throws what `SharedMemory::create` does, and `std::invalid_argument` for an item that
  /// cannot be in it.
  ShareableList(std::initializer_list<Item> items, std::string_view name = "");
  explicit ShareableList(std::span<const Item> items, std::string_view name = "");
  explicit ShareableList(const std::vector<Item>& items, std::string_view name = "") : ShareableList(std::span(items), name) {}
  /// A list that is there. Throws what `SharedMemory::open` does, and `EncodingError` when the memory has no list in it.
  static ShareableList open(std::string_view name);

  std::size_t size() const noexcept { return offsets_->size() - 1; }
  /// Negative indexes count from the end; all of these throw `std::out_of_range`.
  Item get(std::ptrdiff_t index) const;
  /// As a T: an integer that can hold it, `double` or `float`, `bool`, `std::string`, `Bytes` or `std::nullptr_t`. `EncodingError`
  /// when the item is of another kind.
  template <class T>
  T get(std::ptrdiff_t index) const;
  /// Throws `std::invalid_argument` when the item's room is too small.
  void set(std::ptrdiff_t index, const Item& item) const;
  /// How many are equal to it. Numbers are compared as such, as Python does: 1, 1.0 and true are equal.
  std::size_t count(const Item& item) const;
  /// Of the first that is equal; `std::invalid_argument` when there is none.
  std::size_t index(const Item& item) const;
  /// How the items are stored, in the words of Python's `struct`.
  std::string format() const;
  std::vector<Item> to_vector() const;

  const SharedMemory& shm() const noexcept { return memory_; }
  const std::string& name() const noexcept { return memory_.name(); }

  /// Whether both are handles of the same list.
  friend bool operator==(const ShareableList& a, const ShareableList& b) noexcept { return a.memory_ == b.memory_; }

  void ipc_encode(detail::Writer& writer) const { memory_.ipc_encode(writer); }
  static ShareableList ipc_decode(detail::Reader& reader);

 private:
  struct Slot;
  explicit ShareableList(SharedMemory memory);
  static SharedMemory make(std::span<const Item> items, std::string_view name);
  Slot slot(std::ptrdiff_t index) const;
  static Item read(const Slot& slot);
  [[noreturn]] static void fail_type(std::ptrdiff_t index, const std::string& wanted);

  SharedMemory memory_;
  std::shared_ptr<const std::vector<std::size_t>> offsets_;  ///< Of the items from the memory's beginning, and of their end.
};

template <class T>
T ShareableList::get(std::ptrdiff_t index) const {
  const Item item = get(index);
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string> || std::is_same_v<T, Bytes> ||
                std::is_same_v<T, std::nullptr_t>) {
    if (const T* value = std::get_if<T>(&item.value())) return *value;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (const double* value = std::get_if<double>(&item.value())) return static_cast<T>(*value);
  } else {
    static_assert(std::is_integral_v<T> && !detail::is_character_v<T>,
                  "The items of a ShareableList are integers, floating-point numbers, bool, std::string, ipc::Bytes and nullptr.");
    const auto* value = std::get_if<std::int64_t>(&item.value());
    if (value != nullptr && std::in_range<T>(*value)) return static_cast<T>(*value);
  }
  fail_type(index, detail::type_name<T>());
}

}  // namespace ipc
