#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/codec.hpp>
#include <ipc/detail/queue_handle.hpp>

/// How items become bytes and bytes items, for queues.

namespace ipc::detail {

/// Text, and vectors of elements that are copied byte by byte.
template <class T>
inline constexpr bool is_row_v = false;
template <class C, class R, class A>
inline constexpr bool is_row_v<std::basic_string<C, R, A>> = is_character_v<C>;
template <class E, class A>
inline constexpr bool is_row_v<std::vector<E, A>> = Codec<E>::flat && !std::is_same_v<E, bool> && std::is_default_constructible_v<E>;

/// Items that are copied from the object into the ring and out of it, with nothing in between: those whose elements are…
template <class T>
concept DirectItem = is_row_v<T>;
/// …and those that all have one size, which lie in the ring in a row.
template <class T>
concept FlatItem = Codec<T>::flat;

template <DirectItem T>
std::span<const std::byte> bytes_of(const T& item) noexcept {
  return std::as_bytes(std::span<const typename T::value_type>(item));
}
template <FlatItem T>
OutgoingRow row_of(const T* first, std::size_t count) noexcept {
  return {reinterpret_cast<const std::byte*>(first), count};
}

/// Takes one such item out of a queue.
template <DirectItem T>
class DirectSink final : public ItemSink {
 public:
  std::span<std::byte> room(std::size_t size) override {
    item_.resize(size / sizeof(typename T::value_type));
    return std::as_writable_bytes(std::span<typename T::value_type>(item_)).first(size);
  }
  void take(std::vector<Fd>) override {}
  T value() { return std::move(item_); }

 private:
  T item_;
};

/// Where an object of any flat class can lie, whether or not it can be made of nothing.
template <FlatItem T>
struct FlatSlot {
  alignas(T) std::byte bytes[sizeof(T)];
  const T& value() const noexcept { return *std::launder(reinterpret_cast<const T*>(bytes)); }
};
template <FlatItem T>
class FlatSink final : public RowSink {
 public:
  std::byte* room(std::size_t) override { return slot_.bytes; }
  const T& value() const noexcept { return slot_.value(); }

 private:
  FlatSlot<T> slot_;
};
/// Takes several, to the end of a vector.
template <class Item>
class FlatRowSink final : public RowSink {
 public:
  explicit FlatRowSink(std::vector<Item>& items) noexcept : items_(&items) {}
  std::byte* room(std::size_t count) override {
    const std::size_t before = items_->size();
    items_->resize(before + count);
    return reinterpret_cast<std::byte*>(items_->data() + before);
  }

 private:
  std::vector<Item>* items_;
};

template <class T, class U>
void encode_item(Writer& writer, U&& item) {
  if constexpr (DirectItem<T>) {
    const auto bytes = bytes_of<T>(item);
    writer.bytes(bytes.data(), bytes.size());
  } else {
    encode(writer, std::forward<U>(item));
  }
}

template <class T>
T decode_item(Reader reader) {
  if constexpr (DirectItem<T>) {
    DirectSink<T> sink;
    const std::size_t size = reader.remaining();
    const auto room = sink.room(size);
    reader.bytes(room.data(), size);
    return sink.value();
  } else {
    return decode_all<T>(reader);
  }
}

/// Whether objects can only be moved. Containers say that they can be copied, whatever is in them.
template <class T>
inline constexpr bool moves_only_v = !std::is_copy_constructible_v<T>;
template <class T>
requires(!std::is_same_v<typename T::value_type, T>) inline constexpr bool moves_only_v<T> =
    !std::is_copy_constructible_v<T> || moves_only_v<typename T::value_type>;
template <class A, class B>
inline constexpr bool moves_only_v<std::pair<A, B>> = moves_only_v<A> || moves_only_v<B>;
template <class... T>
inline constexpr bool moves_only_v<std::tuple<T...>> = (moves_only_v<T> || ...);

/// Encodes `item`, which is not flat, and has `put(OutgoingItem)` put it; returns what that does. When it was not put, for want of
/// room or as `put` threw, an item that can only be moved is back where it was.
template <class T, class U, class Put>
bool put_one(U&& item, Put put) {
  if constexpr (DirectItem<T>) {
    return put(OutgoingItem{bytes_of<T>(item), {}});
  } else {
    LentWriter writer;
    encode(*writer, std::forward<U>(item));
    const auto give_back = [&] {
      if constexpr (!std::is_lvalue_reference_v<U> && moves_only_v<T>) {
        T again = decode_item<T>(Reader(writer->view(), writer->fds()));
        std::destroy_at(std::addressof(item));
        std::construct_at(std::addressof(item), std::move(again));
      }
    };
    try {
      if (put(OutgoingItem{writer->view(), writer->fds()})) return true;
    } catch (...) {
      give_back();
      throw;
    }
    give_back();
    return false;
  }
}

/// So many items, and bytes, of a range are worth putting at a time.
inline constexpr std::size_t most_put_items = 1024;
inline constexpr std::size_t most_put_bytes = std::size_t{256} << 10;

/// Has `add` take each element of a range, and then `flush` put those that are left over; also when one throws.
template <class R, class Add, class Flush>
void gather(R&& items, Add add, Flush flush) {
  try {
    for (auto&& element : items) add(std::forward<decltype(element)>(element));
  } catch (...) {
    flush();
    throw;
  }
  flush();
}

/// Has `put(OutgoingRow)` put all elements of a range.
template <FlatItem T, class R, class Put>
void put_flat_range(R&& items, Put put) {
  if constexpr (std::ranges::contiguous_range<R> && std::ranges::sized_range<R> && std::is_same_v<std::ranges::range_value_t<R>, T>) {
    if (std::ranges::size(items) != 0) put(row_of<T>(std::ranges::data(items), std::ranges::size(items)));
  } else {
    std::vector<FlatSlot<T>> row;
    const auto flush = [&] {
      const auto full = std::exchange(row, {});  // When this throws, it is not put again.
      if (!full.empty()) put(OutgoingRow{full.front().bytes, full.size()});
    };
    gather(
        items,
        [&](const T& exact) {
          std::memcpy(row.emplace_back().bytes, std::addressof(exact), sizeof(T));
          if (row.size() == most_put_items || row.size() * sizeof(T) >= most_put_bytes) flush();
        },
        flush);
  }
}

/// Has `put(OutgoingItem…)` put all elements of a range that are not flat, as many at a time as are worth it.
template <class T, class R, class Put>
void put_range(R&& items, Put put) {
  if constexpr (DirectItem<T> && std::ranges::forward_range<R> &&
                std::is_same_v<std::remove_cv_t<std::remove_reference_t<std::ranges::range_reference_t<R>>>, T> &&
                std::is_lvalue_reference_v<std::ranges::range_reference_t<R>>) {
    std::vector<OutgoingItem> batch;
    std::size_t bytes = 0;
    const auto flush = [&] {
      const auto full = std::exchange(batch, {});  // When this throws, it is not put again.
      bytes = 0;
      if (!full.empty()) put(std::span<const OutgoingItem>(full));
    };
    gather(
        items,
        [&](const T& item) {
          batch.push_back({bytes_of(item), {}});
          bytes += batch.back().bytes.size();
          if (batch.size() == most_put_items || bytes >= most_put_bytes) flush();
        },
        flush);
  } else {
    // Elements that a range makes, or moves out, are given up, and so are those of a container that the caller gives up; those that
    // a view looks at are not.
    constexpr bool given_up = !std::is_lvalue_reference_v<R> && !std::ranges::view<std::remove_cvref_t<R>>;
    struct End {
      std::size_t bytes;
      std::size_t fds;
    };
    LentWriter writer;
    std::vector<End> ends;
    const auto flush = [&] {
      const auto full = std::exchange(ends, {});  // When this throws, it is not put again.
      if (full.empty()) return;
      std::vector<OutgoingItem> batch;
      batch.reserve(full.size());
      End before{0, 0};
      for (const End& end : full) {
        batch.push_back({writer->view().subspan(before.bytes, end.bytes - before.bytes),
                         std::span<const Fd>(writer->fds()).subspan(before.fds, end.fds - before.fds)});
        before = end;
      }
      put(std::span<const OutgoingItem>(batch));
      writer->clear();
    };
    gather(
        items,
        [&](auto&& element) {
          // SUBTLE: each item is a message of its own. What one message says once for all its handles (shm::Heap) must not be
          // left to the item before it.
          const bool shares = !writer->fds().empty();
          if (ends.size() == most_put_items || writer->size() >= most_put_bytes || shares) flush();
          using Given = decltype(element);
          constexpr bool surrenders = given_up || !std::is_lvalue_reference_v<Given>;
          if constexpr (surrenders && std::is_same_v<std::remove_cvref_t<Given>, T>) {
            auto& surrendered = element;  // It may be an lvalue.
            encode_item<T>(*writer, std::move(surrendered));
          } else {
            const T& exact = std::forward<Given>(element);
            encode_item<T>(*writer, exact);
          }
          ends.push_back({writer->size(), writer->fds().size()});
        },
        flush);
  }
}

/// Has `get(sink)` take an item; nothing when it says that there was none.
template <class T, class Get>
std::optional<T> get_one(Get get) {
  if constexpr (FlatItem<T>) {
    FlatSink<T> item;
    if (!get(item)) return std::nullopt;
    return item.value();
  } else if constexpr (DirectItem<T>) {
    DirectSink<T> item;
    if (!get(item)) return std::nullopt;
    return item.value();
  } else {
    LentItem item;
    if (!get(item)) return std::nullopt;
    return decode_item<T>(item.reader());
  }
}

/// As above for several, which are appended; returns how many.
template <class T, class Get>
std::size_t get_some(std::vector<T>& items, Get get) {
  if constexpr (FlatItem<T> && std::is_default_constructible_v<T> && !std::is_same_v<T, bool>) {
    FlatRowSink<T> sink(items);
    return get(sink);
  } else if constexpr (FlatItem<T>) {
    std::vector<FlatSlot<T>> row;
    FlatRowSink<FlatSlot<T>> sink(row);
    const std::size_t count = get(sink);
    items.reserve(items.size() + count);
    for (const FlatSlot<T>& slot : row) items.push_back(slot.value());
    return count;
  } else {
    ItemBatch batch;
    const std::size_t count = get(batch);
    items.reserve(items.size() + count);
    for (std::size_t i = 0; i < count; ++i) items.push_back(decode_item<T>(batch.reader(i)));
    return count;
  }
}

}  // namespace ipc::detail
