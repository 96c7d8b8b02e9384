#include <ipc/shareable_list.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>

#include <ipc/detail/reader.hpp>
#include <ipc/error.hpp>

namespace ipc {
namespace {

// The layout, which is CPython's; all numbers are 64 bits with a sign, in the machine's order:
//   the number of items n, then n + 1 offsets of the items from the first item, the last one of their end,
//   the items, n formats of 8 characters in the words of Python's `struct`, n codes of one byte.
constexpr std::size_t word = 8;
constexpr std::size_t format_size = 8;
enum class Code : std::int8_t { plain = 0, text = 1, bytes = 2, none = 3 };
constexpr std::string_view integer_format = "q";
constexpr std::string_view real_format = "d";
constexpr std::string_view boolean_format = "xxxxxxx?";
constexpr std::string_view none_format = "xxxxxx?x";
/// Behind the length of an item that ends in NUL. Two reasons: CPython reads as many bytes as the length says, and as the
/// format does not end in "s", replaces it when it writes the item.
constexpr std::string_view exact_suffix = "sx";
constexpr std::string_view padded_suffix = "s";

[[noreturn]] void fail(const std::string& what) { throw EncodingError("This shared memory has no list in it: " + what); }

template <class T>
T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(std::byte* to, const T& value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

std::size_t room_for(std::size_t length) noexcept { return word * (length / word + 1); }

/// An item as it is stored.
struct Stored {
  std::string_view bytes;  ///< Of text and bytes; else empty.
  std::array<char, word> number{};
  std::string_view format;  ///< Empty for text and bytes.
  Code code = Code::plain;
};

Stored stored(const ShareableItem::Variant& value) {
  Stored result;
  const auto number = [&](const auto& plain, std::string_view format, std::size_t at) {
    std::memcpy(result.number.data() + at, &plain, sizeof plain);
    result.format = format;
  };
  if (std::holds_alternative<std::nullptr_t>(value)) {
    result.format = none_format;
    result.code = Code::none;
  } else if (const bool* boolean = std::get_if<bool>(&value)) {
    number(*boolean, boolean_format, word - 1);
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    number(*integer, integer_format, 0);
  } else if (const double* real = std::get_if<double>(&value)) {
    number(*real, real_format, 0);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    result.bytes = *text;
    result.code = Code::text;
  } else {
    const auto& bytes = std::get<Bytes>(value);
    result.bytes = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    result.code = Code::bytes;
  }
  return result;
}

bool is_raw(const Stored& item) noexcept { return item.code == Code::text || item.code == Code::bytes; }

std::string format_of(const Stored& item, std::size_t room) {
  if (!is_raw(item)) return std::string(item.format);
  const bool exact = !item.bytes.empty() && item.bytes.back() == '\0';
  std::string format = exact ? std::to_string(item.bytes.size()).append(exact_suffix) : std::to_string(room).append(padded_suffix);
  if (format.size() > format_size) {
    throw std::invalid_argument("An item of " + std::to_string(item.bytes.size()) + " bytes is too long for a ShareableList" +
                                (exact ? ", as it ends in a NUL." : "."));
  }
  return format;
}

}  // namespace

/// Where an item lies. The format is read once, as others may be writing.
struct ShareableList::Slot {
  std::byte* item;
  std::size_t room;
  std::byte* format;
  std::byte* code;

  /// Of the `index`th of `n` items of a list that begins there; `offsets` from there as well.
  static Slot at(std::byte* begin, const std::vector<std::size_t>& offsets, std::size_t index) noexcept {
    std::byte* formats = begin + offsets.back();
    const std::size_t n = offsets.size() - 1;
    return {begin + offsets[index], offsets[index + 1] - offsets[index], formats + index * format_size, formats + n * format_size + index};
  }
  std::string_view format_in(std::array<char, format_size>& copy) const noexcept {
    std::memcpy(copy.data(), format, format_size);
    return {copy.data(), ::strnlen(copy.data(), format_size)};
  }
  void write(const Stored& value) const {
    const std::string text = format_of(value, room);
    std::array<char, format_size> padded{};
    text.copy(padded.data(), padded.size());
    std::memcpy(format, padded.data(), padded.size());
    store(code, value.code);
    if (!is_raw(value)) {
      std::memcpy(item, value.number.data(), word);
      return;
    }
    if (!value.bytes.empty()) std::memcpy(item, value.bytes.data(), value.bytes.size());
    std::memset(item + value.bytes.size(), 0, room - value.bytes.size());
  }
};

ShareableList::ShareableList(std::initializer_list<Item> items, std::string_view name)
    : ShareableList(std::span(items.begin(), items.size()), name) {}

ShareableList::ShareableList(std::span<const Item> items, std::string_view name) : ShareableList(make(items, name)) {}

SharedMemory ShareableList::make(std::span<const Item> items, std::string_view name) {
  const std::size_t n = items.size();
  std::vector<std::size_t> offsets{(n + 2) * word};
  for (const Item& item : items) {
    const Stored value = stored(item.value());
    const std::size_t room = is_raw(value) ? room_for(value.bytes.size()) : word;
    static_cast<void>(format_of(value, room));  // Refused before there is anything.
    offsets.push_back(offsets.back() + room);
  }
  return SharedMemory::create_filled(offsets.back() + n * (format_size + 1), name, [&](std::span<std::byte> bytes) {
    store(bytes.data(), static_cast<std::int64_t>(n));
    for (std::size_t i = 0; i <= n; ++i) store(bytes.data() + (1 + i) * word, static_cast<std::int64_t>(offsets[i] - offsets[0]));
    for (std::size_t i = 0; i < n; ++i) Slot::at(bytes.data(), offsets, i).write(stored(items[i].value()));
  });
}

ShareableList::ShareableList(SharedMemory memory) : memory_(std::move(memory)) {
  const auto bytes = memory_.buf();
  if (bytes.size() < 2 * word) fail("it is too short.");
  const auto n = load<std::int64_t>(bytes.data());
  if (n < 0 || static_cast<std::size_t>(n) > bytes.size() / word - 2) fail("it says that it has " + std::to_string(n) + " items.");
  const auto count = static_cast<std::size_t>(n);
  const std::size_t items = (count + 2) * word;
  const std::size_t frame = items + count * (format_size + 1);
  if (bytes.size() < frame) fail("it says that it has " + std::to_string(n) + " items.");
  auto offsets = std::make_shared<std::vector<std::size_t>>();
  std::int64_t last = 0;
  for (std::size_t i = 0; i <= count; ++i) {
    const auto offset = load<std::int64_t>(bytes.data() + (1 + i) * word);
    // An item has room for a number at least.
    const bool follows = i == 0 ? offset == 0 : offset - last >= static_cast<std::int64_t>(word);
    if (offset < 0 || static_cast<std::size_t>(offset) > bytes.size() - frame || !follows) fail("its items overlap.");
    offsets->push_back(items + static_cast<std::size_t>(offset));
    last = offset;
  }
  offsets_ = std::move(offsets);
}

ShareableList ShareableList::open(std::string_view name) { return ShareableList(SharedMemory::open(name)); }
ShareableList ShareableList::ipc_decode(detail::Reader& reader) { return ShareableList(SharedMemory::ipc_decode(reader)); }

ShareableList::Slot ShareableList::slot(std::ptrdiff_t index) const {
  const auto n = static_cast<std::ptrdiff_t>(size());
  const std::ptrdiff_t at = index < 0 ? index + n : index;
  if (at < 0 || at >= n) throw std::out_of_range("Index " + std::to_string(index) + " of a list of " + std::to_string(n) + " items.");
  return Slot::at(memory_.buf().data(), *offsets_, static_cast<std::size_t>(at));
}

ShareableItem ShareableList::get(std::ptrdiff_t index) const { return read(slot(index)); }

ShareableItem ShareableList::read(const Slot& slot) {
  std::array<char, format_size> copy;
  const std::string_view format = slot.format_in(copy);
  const auto code = load<Code>(slot.code);
  if (code == Code::none) return nullptr;
  if (code == Code::plain) {
    if (format == integer_format) return load<std::int64_t>(slot.item);
    if (format == real_format) return load<double>(slot.item);
    if (format == boolean_format) return load<char>(slot.item + word - 1) != 0;
  } else if (code == Code::text || code == Code::bytes) {
    std::size_t length = 0;
    const auto [behind, error] = std::from_chars(format.data(), format.data() + format.size(), length);
    const std::string_view suffix(behind, static_cast<std::size_t>(format.data() + format.size() - behind));
    if (error == std::errc() && length <= slot.room && (suffix == padded_suffix || suffix == exact_suffix)) {
      std::string_view bytes(reinterpret_cast<const char*>(slot.item), length);
      if (suffix == padded_suffix) bytes = bytes.substr(0, bytes.find_last_not_of('\0') + 1);
      if (code == Code::text) return std::string(bytes);
      return Bytes(slot.item, slot.item + bytes.size());
    }
  }
  throw EncodingError("An item of a ShareableList is of no known format: \"" + std::string(format) + "\".");
}

void ShareableList::set(std::ptrdiff_t index, const Item& item) const {
  const Slot to = slot(index);
  const Stored value = stored(item.value());
  if (value.bytes.size() > to.room) {
    throw std::invalid_argument(std::to_string(value.bytes.size()) + " bytes exceed the available storage of item " +
                                std::to_string(index) + ", which is " + std::to_string(to.room) + ".");
  }
  to.write(value);
}

std::size_t ShareableList::count(const Item& item) const {
  std::size_t found = 0;
  for (std::size_t i = 0; i < size(); ++i) found += get(static_cast<std::ptrdiff_t>(i)) == item ? 1 : 0;
  return found;
}

std::size_t ShareableList::index(const Item& item) const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (get(static_cast<std::ptrdiff_t>(i)) == item) return i;
  }
  throw std::invalid_argument("The ShareableList has no such item.");
}

std::string ShareableList::format() const {
  std::string all;
  std::array<char, format_size> copy;
  for (std::size_t i = 0; i < size(); ++i) all += slot(static_cast<std::ptrdiff_t>(i)).format_in(copy);
  return all;
}

std::vector<ShareableItem> ShareableList::to_vector() const {
  std::vector<Item> all;
  for (std::size_t i = 0; i < size(); ++i) all.push_back(get(static_cast<std::ptrdiff_t>(i)));
  return all;
}

void ShareableList::fail_type(std::ptrdiff_t index, const std::string& wanted) {
  throw EncodingError("Item " + std::to_string(index) + " of the ShareableList is no " + wanted + ", or none that fits.");
}

void ShareableItem::fail_integer() {
  throw std::invalid_argument("An item of a ShareableList is an integer of 64 bits with a sign at most.");
}

bool operator==(const ShareableItem& a, const ShareableItem& b) {
  /// As an integer where it is one, so that large ones are not rounded.
  struct Number {
    std::optional<std::int64_t> integer;
    double real = 0;
  };
  const auto number = [](const ShareableItem::Variant& value) -> std::optional<Number> {
    if (const bool* boolean = std::get_if<bool>(&value)) return Number{*boolean ? 1 : 0, *boolean ? 1.0 : 0.0};
    if (const auto* integer = std::get_if<std::int64_t>(&value)) return Number{*integer, static_cast<double>(*integer)};
    if (const double* real = std::get_if<double>(&value)) {
      constexpr double limit = 9223372036854775808.0;  // 2^63
      if (std::trunc(*real) == *real && *real >= -limit && *real < limit) return Number{static_cast<std::int64_t>(*real), *real};
      return Number{std::nullopt, *real};
    }
    return std::nullopt;
  };
  const auto left = number(a.value());
  const auto right = number(b.value());
  if (!left || !right) return a.value() == b.value();
  if (left->integer && right->integer) return *left->integer == *right->integer;
  return !left->integer && !right->integer && left->real == right->real;
}

}  // namespace ipc
