#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace ipc::detail {

/// An input iterator over what a cursor's `next()` gives, until that is nothing. It is at its end when it equals one that
/// was made from nothing, as with streams.
template <class Cursor>
class CursorIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = typename Cursor::value_type;
  using difference_type = std::ptrdiff_t;
  using pointer = value_type*;
  using reference = value_type&;

  CursorIterator() = default;
  explicit CursorIterator(Cursor cursor) : cursor_(std::move(cursor)), item_(cursor_.next()) {}
  reference operator*() const { return *item_; }
  pointer operator->() const { return &*item_; }
  CursorIterator& operator++() {
    item_ = cursor_.next();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const CursorIterator& a, const CursorIterator& b) { return a.item_.has_value() == b.item_.has_value(); }
  friend bool operator==(const CursorIterator& iterator, std::default_sentinel_t) { return !iterator.item_; }

 private:
  Cursor cursor_;
  mutable std::optional<value_type> item_;
};

}  // namespace ipc::detail
