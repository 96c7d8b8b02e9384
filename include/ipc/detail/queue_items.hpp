#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/codec.hpp>
#include <ipc/detail/queue_handle.hpp>

/// How items become bytes and bytes items, for queues.

namespace ipc::detail {

/// Items whose bytes are their encoding go straight from the object into the ring and out of it.
template <class T>
inline constexpr bool is_flat_item = Codec<T>::flat;

/// A single flat item.
template <class T>
class FlatItem final : public ItemSink {
 public:
  std::span<std::byte> room(std::size_t size) override {
    if (size != sizeof(T)) fail_left_over(size);
    return storage_;
  }
  void take(std::vector<Fd>) override {}
  T value() const noexcept { return *std::launder(reinterpret_cast<const T*>(storage_)); }

 private:
  alignas(T) std::byte storage_[sizeof(T)];
};

/// Encodes `item` and has `put(OutgoingItem)` put it; returns what that does.
template <class T, class U, class Put>
bool put_one(U&& item, Put put) {
  if constexpr (is_flat_item<T>) {
    return put(OutgoingItem{std::as_bytes(std::span(&item, 1)), {}});
  } else {
    LentWriter writer;
    encode(*writer, std::forward<U>(item));
    if (put(OutgoingItem{writer->view(), writer->fds()})) return true;
    if constexpr (!std::is_lvalue_reference_v<U> && !std::is_copy_constructible_v<T>) {
      // It was moved into the message: back.
      Reader reader(writer->view(), writer->fds());
      T again = decode_all<T>(reader);
      std::destroy_at(std::addressof(item));
      std::construct_at(std::addressof(item), std::move(again));
    }
    return false;
  }
}

/// As above for all elements of a range, as many at a time as are worth it.
template <class T, class R, class Put>
void put_range(R&& items, Put put) {
  constexpr std::size_t most_items = 1024;
  constexpr std::size_t most_bytes = std::size_t{256} << 10;
  if constexpr (is_flat_item<T> && std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
                std::is_same_v<std::ranges::range_value_t<R>, T>) {
    const std::span<const T> all(std::ranges::data(items), std::ranges::size(items));
    std::vector<OutgoingItem> batch;
    batch.reserve(std::min(all.size(), most_items));
    for (std::size_t begin = 0; begin < all.size(); begin += batch.size()) {
      batch.clear();
      for (const T& item : all.subspan(begin, std::min(most_items, all.size() - begin)))
        batch.push_back({std::as_bytes(std::span(&item, 1)), {}});
      put(std::span<const OutgoingItem>(batch));
    }
  } else {
    // The elements of a container that the caller gives up are given up; those that a view looks at are not.
    constexpr bool given_up = !std::is_lvalue_reference_v<R> && !std::ranges::view<std::remove_cvref_t<R>>;
    struct End {
      std::size_t bytes;
      std::size_t fds;
    };
    LentWriter writer;
    std::vector<End> ends;
    const auto flush = [&] {
      if (ends.empty()) return;
      std::vector<OutgoingItem> batch;
      batch.reserve(ends.size());
      End before{0, 0};
      for (const End& end : ends) {
        batch.push_back({writer->view().subspan(before.bytes, end.bytes - before.bytes),
                         std::span<const Fd>(writer->fds()).subspan(before.fds, end.fds - before.fds)});
        before = end;
      }
      put(std::span<const OutgoingItem>(batch));
      ends.clear();
      writer->clear();
    };
    for (auto&& element : items) {
      // SUBTLE: each item is a message of its own. What one message says once for all its handles (shm::Heap) must not be left
      // to the item before it.
      const bool shares = !writer->fds().empty();
      if (ends.size() == most_items || writer->size() >= most_bytes || shares) flush();
      const End before{writer->size(), writer->fds().size()};
      try {
        if constexpr (given_up && std::is_same_v<std::remove_cvref_t<decltype(element)>, T>) {
          encode(*writer, std::move(element));
        } else {
          const T& exact = element;
          encode(*writer, exact);
        }
      } catch (...) {
        writer->truncate(before.bytes, before.fds);
        flush();
        throw;
      }
      ends.push_back({writer->size(), writer->fds().size()});
    }
    flush();
  }
}

/// Has `get(sink)` take an item; nothing when it says that there was none.
template <class T, class Get>
std::optional<T> get_one(Get get) {
  if constexpr (is_flat_item<T>) {
    FlatItem<T> item;
    if (!get(item)) return std::nullopt;
    return item.value();
  } else {
    LentItem item;
    if (!get(item)) return std::nullopt;
    Reader reader = item.reader();
    return decode_all<T>(reader);
  }
}

/// As above for several, which are appended; returns how many.
template <class T, class Get>
std::size_t get_some(std::vector<T>& items, Get get) {
  ItemBatch batch;
  const std::size_t count = get(batch);
  items.reserve(items.size() + count);
  for (std::size_t i = 0; i < count; ++i) {
    Reader reader = batch.reader(i);
    items.push_back(decode_all<T>(reader));
  }
  return count;
}

}  // namespace ipc::detail
