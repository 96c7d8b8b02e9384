#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <span>
#include <string>
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

/// Items that are copied from the object into the ring and out of it, with nothing in between.
template <class T>
concept DirectItem = is_row_v<T> || Codec<T>::flat;

template <DirectItem T>
std::span<const std::byte> bytes_of(const T& item) noexcept {
  if constexpr (is_row_v<T>)
    return std::as_bytes(std::span<const typename T::value_type>(item));
  else
    return std::as_bytes(std::span<const T, 1>(std::addressof(item), 1));
}

/// Takes one such item out of a queue.
template <DirectItem T>
class DirectSink final : public ItemSink {
 public:
  std::span<std::byte> room(std::size_t size) override {
    if constexpr (is_row_v<T>) {
      row_.resize(size / sizeof(typename T::value_type));
      return std::as_writable_bytes(std::span<typename T::value_type>(row_)).first(size);
    } else {
      if (size != sizeof(T)) fail_left_over(size);
      return flat_;
    }
  }
  void take(std::vector<Fd>) override {}
  T value() {
    if constexpr (is_row_v<T>)
      return std::move(row_);
    else
      return *std::launder(reinterpret_cast<const T*>(flat_));
  }

 private:
  struct None {};
  std::conditional_t<is_row_v<T>, T, None> row_;
  alignas(T) std::byte flat_[is_row_v<T> ? 1 : sizeof(T)];
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

/// Encodes `item` and has `put(OutgoingItem)` put it; returns what that does.
template <class T, class U, class Put>
bool put_one(U&& item, Put put) {
  if constexpr (DirectItem<T>) {
    return put(OutgoingItem{bytes_of<T>(item), {}});
  } else {
    LentWriter writer;
    encode(*writer, std::forward<U>(item));
    if (put(OutgoingItem{writer->view(), writer->fds()})) return true;
    if constexpr (!std::is_lvalue_reference_v<U> && !std::is_copy_constructible_v<T>) {
      // It was moved into the message: back.
      T again = decode_item<T>(Reader(writer->view(), writer->fds()));
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
  if constexpr (DirectItem<T> && std::ranges::forward_range<R> &&
                std::is_same_v<std::remove_cv_t<std::remove_reference_t<std::ranges::range_reference_t<R>>>, T> &&
                std::is_lvalue_reference_v<std::ranges::range_reference_t<R>>) {
    std::vector<OutgoingItem> batch;
    const auto flush = [&] {
      if (!batch.empty()) put(std::span<const OutgoingItem>(batch));
      batch.clear();
    };
    std::size_t bytes = 0;
    for (const T& item : items) {
      if (batch.size() == most_items || bytes >= most_bytes) {
        flush();
        bytes = 0;
      }
      batch.push_back({bytes_of(item), {}});
      bytes += batch.back().bytes.size();
    }
    flush();
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
          encode_item<T>(*writer, std::move(element));
        } else {
          const T& exact = element;
          encode_item<T>(*writer, exact);
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
  if constexpr (DirectItem<T>) {
    DirectSink<T> item;
    if (!get(item)) return std::nullopt;
    return item.value();
  } else {
    LentItem item;
    if (!get(item)) return std::nullopt;
    return decode_item<T>(item.reader());
  }
}

/// Takes several flat items out of a queue, to the end of a vector.
template <class T>
class FlatSink final : public ItemSink {
 public:
  explicit FlatSink(std::vector<T>& items) noexcept : items_(&items) {}
  std::span<std::byte> room(std::size_t size) override {
    if (size != sizeof(T)) fail_left_over(size);
    return std::as_writable_bytes(std::span<T, 1>(std::addressof(items_->emplace_back()), 1));
  }
  void take(std::vector<Fd>) override {}

 private:
  std::vector<T>* items_;
};

/// As above for several, which are appended; returns how many.
template <class T, class Get>
std::size_t get_some(std::vector<T>& items, Get get) {
  if constexpr (Codec<T>::flat && std::is_default_constructible_v<T>) {
    FlatSink<T> sink(items);
    return get(sink);
  } else {
    ItemBatch batch;
    const std::size_t count = get(batch);
    items.reserve(items.size() + count);
    for (std::size_t i = 0; i < count; ++i) items.push_back(decode_item<T>(batch.reader(i)));
    return count;
  }
}

}  // namespace ipc::detail
