#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include <ipc/detail/progress_bar.hpp>

namespace ipc {

/// A range that shows how far the loop over it is; made by `progress`. Can be moved until the loop begins.
template <class Range>
class Progress {
  using Inner = decltype(std::begin(std::declval<Range&>()));
  using InnerEnd = decltype(std::end(std::declval<Range&>()));

 public:
  Progress(Range&& range, std::size_t total, std::string label)
      : range_(static_cast<Range&&>(range)), bar_(std::make_unique<detail::ProgressBar>(std::move(label), total)) {}

  class CountingIterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using reference = decltype(*std::declval<Inner&>());
    using value_type = std::remove_cvref_t<reference>;
    using difference_type = std::ptrdiff_t;
    using pointer = void;

    CountingIterator(Progress* progress, Inner inner) : progress_(progress), inner_(std::move(inner)) {}
    reference operator*() { return *inner_; }
    CountingIterator& operator++() {
      progress_->bar_->update(++progress_->done_);
      ++inner_;
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const InnerEnd& end) const {
      if (inner_ != end) return false;
      progress_->bar_->finish(progress_->done_);
      return true;
    }

   private:
    Progress* progress_;
    Inner inner_;
  };
  CountingIterator begin() { return CountingIterator(this, std::begin(range_)); }
  InnerEnd end() { return std::end(range_); }

 private:
  Range range_;  // A reference for an lvalue.
  std::unique_ptr<detail::ProgressBar> bar_;
  std::size_t done_ = 0;
};

/// Wraps any loop in a progress bar on stderr: `for (auto& x : ipc::progress(xs, xs.size(), "fitting"))`. `total` 0 is
/// unknown. On a terminal the bar is redrawn in place; elsewhere one closing line is written. The range is kept by
/// reference when it is an lvalue, and must outlive the loop.
template <class Range>
Progress<Range> progress(Range&& range, std::size_t total, std::string label = "") {
  return Progress<Range>(std::forward<Range>(range), total, std::move(label));
}

}  // namespace ipc
