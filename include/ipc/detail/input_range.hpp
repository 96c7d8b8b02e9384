#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include <ipc/detail/codec_core.hpp>

/// What maps know of the ranges that they are given.

namespace ipc::detail {

/// Where a range-based for begins and ends, with `begin` and `end` as it finds them.
namespace range_for {
using std::begin;
using std::end;
template <class Range>
requires requires(Range& range) { range.begin(); }
auto begin_of(Range& range) { return range.begin(); }
template <class Range>
requires(
    !requires(Range & range) { range.begin(); } && requires(Range & range) { begin(range); }) auto begin_of(Range& range) {
  return begin(range);
}
template <class Range>
requires requires(Range& range) { range.end(); }
auto end_of(Range& range) { return range.end(); }
template <class Range>
requires(
    !requires(Range & range) { range.end(); } && requires(Range & range) { end(range); }) auto end_of(Range& range) {
  return end(range);
}
}  // namespace range_for
using range_for::begin_of;
using range_for::end_of;

/// The elements of somebody else's range, which outlives the view.
template <class Iterator>
class IndexedView {
 public:
  IndexedView(Iterator first, Iterator last) : first_(first), size_(static_cast<std::size_t>(last - first)) {}
  std::size_t size() const noexcept { return size_; }
  decltype(auto) operator[](std::size_t i) const { return first_[static_cast<std::iter_difference_t<Iterator>>(i)]; }
  /// Where they lie, if side by side.
  auto data() const noexcept requires std::contiguous_iterator<Iterator> { return std::to_address(first_); }

 private:
  Iterator first_;
  std::size_t size_;
};

template <class Range>
using RangeIterator = decltype(begin_of(std::declval<Range&>()));
template <class Range>
using RangeSentinel = decltype(end_of(std::declval<Range&>()));
template <class Range>
using RangeReference = decltype(*std::declval<RangeIterator<Range>&>());

/// What an iterator gives. One that has only what a range-based for needs does not say it.
template <class Iterator>
struct IteratorElement {
  using type = std::remove_cvref_t<decltype(*std::declval<Iterator&>())>;
};
template <class Iterator>
requires requires { typename std::iter_value_t<Iterator>; }
struct IteratorElement<Iterator> {
  using type = std::iter_value_t<Iterator>;
};

/// What a worker gets of it.
template <class Range>
using RangeElement = SentAs<typename IteratorElement<RangeIterator<Range>>::type>;

template <class Range>
inline constexpr bool is_indexable_v = std::random_access_iterator<RangeIterator<Range>>&&
    std::is_same_v<RangeIterator<Range>, RangeSentinel<Range>>&& std::is_lvalue_reference_v<RangeReference<Range>>;

template <class Range>
consteval bool gives_elements() {
  if constexpr (std::is_reference_v<Range>) {
    return false;
  } else if constexpr (requires { typename RangeReference<const Range>; }) {
    using Given = std::remove_reference_t<RangeReference<Range>>;
    return !std::is_const_v<Given> && std::is_same_v<RangeReference<Range>, Given&> &&
           std::is_same_v<RangeReference<const Range>, const Given&>;
  } else {
    return false;
  }
}
/// Whether a range that was passed as `Range&&` was given away together with its elements: an rvalue, and a container rather than a
/// view, whose elements would be somebody else's. A container that is const has const elements; a view does not mind.
template <class Range>
inline constexpr bool gives_elements_v = gives_elements<Range>();

/// An element of a range that was passed as `Range&&`, as it is to be passed on.
template <class Range, class Element>
constexpr decltype(auto) pass_element(Element&& element) noexcept {
  if constexpr (gives_elements_v<Range>)
    return static_cast<std::remove_reference_t<Element>&&>(element);
  else
    return std::forward<Element>(element);
}

}  // namespace ipc::detail
