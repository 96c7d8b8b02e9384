#pragma once

#include <cstddef>
#include <iterator>

namespace ipc::detail {

/// An input iterator over a range of results, which has the current one and can `advance()`: so it goes on where another
/// iterator over it has stopped. Results are moved out of the range as it goes.
template <class Results>
class ResultIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = typename Results::value_type;
  using difference_type = std::ptrdiff_t;
  using pointer = value_type*;
  using reference = value_type&;

  ResultIterator() = default;
  explicit ResultIterator(Results* results) : results_(results) {}
  reference operator*() const { return *results_->state_->current; }
  pointer operator->() const { return &**this; }
  ResultIterator& operator++() {
    results_->advance();
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const { return !results_->state_->current; }

 private:
  Results* results_ = nullptr;
};

}  // namespace ipc::detail
