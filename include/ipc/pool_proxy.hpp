#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/async_result_proxy.hpp>
#include <ipc/detail/callable.hpp>
#include <ipc/detail/map_job.hpp>
#include <ipc/detail/pool_request.hpp>
#include <ipc/detail/progress_bar.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/imap_proxy.hpp>
#include <ipc/pool.hpp>

namespace ipc {

class Manager;

/// A pool whose workers are on a manager's machine, made by `Manager::Pool`: the interface of `Pool`, for any number of
/// clients. The server passes tasks on and waits for none of them.
///
/// When a client ends, in any way, those of its tasks that no worker has yet, and whose results nobody else has a proxy of, are
/// withdrawn. When the last proxy of the pool goes, it is terminated. When the server dies, the workers die with it.
/// Functions must be shippable, and the server of the same build. For the rest see `ListProxy`.
class PoolProxy : public detail::ProxyBase {
 public:
  /// Calls `f(args...)` in a worker and waits for the result; throws what it throws.
  template <class F, class... Args>
  requires(!std::is_same_v<F, TaskOptions>) detail::CallResult<F, Args...> apply(F f, Args&&... args)
  const { return apply(TaskOptions{}, std::move(f), std::forward<Args>(args)...); }
  template <class F, class... Args>
  detail::CallResult<F, Args...> apply(const TaskOptions& options, F f, Args&&... args) const {
    auto reply = call_request(options, true, f, std::forward<Args>(args)...).send();
    return detail::outcome_of<detail::CallResult<F, Args...>>(reply);
  }
  /// The same without waiting.
  template <class F, class... Args>
  requires(!std::is_same_v<F, TaskOptions>) AsyncResultProxy<detail::CallResult<F, Args...>> apply_async(F f, Args&&... args)
  const { return apply_async(TaskOptions{}, std::move(f), std::forward<Args>(args)...); }
  template <class F, class... Args>
  AsyncResultProxy<detail::CallResult<F, Args...>> apply_async(const TaskOptions& options, F f, Args&&... args) const {
    return result<detail::CallResult<F, Args...>>(call_request(options, false, f, std::forward<Args>(args)...).send());
  }

  /// `f` of each element, in the order of the elements.
  template <class F, class Range>
  auto map(F f, Range&& xs, const MapOptions& options = {}) const {
    return wait_for_map<detail::Spread::no>(f, several_times(xs), options);
  }
  template <class F, class T>
  auto map(F f, std::initializer_list<T> xs, const MapOptions& options = {}) const {
    return wait_for_map<detail::Spread::no>(f, xs, options);
  }
  template <class F, class Range>
  auto map_async(F f, Range&& xs, const MapOptions& options = {}) const {
    return submit_map<detail::Spread::no>(f, several_times(xs), options);
  }
  template <class F, class T>
  auto map_async(F f, std::initializer_list<T> xs, const MapOptions& options = {}) const {
    return submit_map<detail::Spread::no>(f, xs, options);
  }
  /// As `map`, for elements that are tuples or pairs: `f` gets their parts as arguments.
  template <class F, class Range>
  auto starmap(F f, Range&& xs, const MapOptions& options = {}) const {
    return wait_for_map<detail::Spread::yes>(f, several_times(xs), options);
  }
  template <class F, class T>
  auto starmap(F f, std::initializer_list<T> xs, const MapOptions& options = {}) const {
    return wait_for_map<detail::Spread::yes>(f, xs, options);
  }
  template <class F, class Range>
  auto starmap_async(F f, Range&& xs, const MapOptions& options = {}) const {
    return submit_map<detail::Spread::yes>(f, several_times(xs), options);
  }
  template <class F, class T>
  auto starmap_async(F f, std::initializer_list<T> xs, const MapOptions& options = {}) const {
    return submit_map<detail::Spread::yes>(f, xs, options);
  }
  /// Results one by one, in the order of the elements, while later ones are still being worked on. See `ImapResultsProxy`.
  template <class F, class Range>
  auto imap(F f, Range&& xs, const MapOptions& options = {}) const {
    return lazy<Range>(std::move(f), xs, true, options);
  }
  template <class F, class T>
  auto imap(F f, std::initializer_list<T> xs, const MapOptions& options = {}) const {
    return imap(std::move(f), std::vector<T>(xs), options);
  }
  /// As `imap`, in the order in which they come.
  template <class F, class Range>
  auto imap_unordered(F f, Range&& xs, const MapOptions& options = {}) const {
    return lazy<Range>(std::move(f), xs, false, options);
  }
  template <class F, class T>
  auto imap_unordered(F f, std::initializer_list<T> xs, const MapOptions& options = {}) const {
    return imap_unordered(std::move(f), std::vector<T>(xs), options);
  }

  void close() const;
  void terminate() const;
  void join() const;
  std::size_t size() const;
  void resize(int processes) const;
  std::vector<pid_t> worker_pids() const;
  PoolStats stats() const;

  static PoolProxy ipc_decode(detail::Reader& reader) { return PoolProxy(reader); }

 private:
  friend class Manager;
  explicit PoolProxy(std::shared_ptr<detail::Reference> reference) : ProxyBase(detail::ServedKind::pool, 0, std::move(reference)) {}
  explicit PoolProxy(detail::Reader& reader) : ProxyBase(detail::ServedKind::pool, 0, reader) {}

  /// Made in place: requests do not move.
  struct CallRequest {
    template <class F, class... Args>
    CallRequest(const PoolProxy& pool, const detail::TaskHeader& header, const F& f, Args&&... args)
        : request(pool.reference(), detail::Op::submit) {
      request.raw(header).put_by([&](detail::Writer& out) { detail::encode_call(out, f, std::forward<Args>(args)...); });
    }
    detail::Reply send() { return request.send(); }
    detail::Request request;
  };
  template <class F, class... Args>
  CallRequest call_request(const TaskOptions& options, bool wait, const F& f, Args&&... args) const {
    return CallRequest(*this, {terms_from(options), detail::ResultStyle::whole, wait}, f, std::forward<Args>(args)...);
  }
  template <class Options>
  static detail::TaskTerms terms_from(const Options& options) {
    if (options.retries < 0) throw std::invalid_argument("retries must be at least 0, not " + std::to_string(options.retries) + ".");
    return {.priority = options.priority, .retries = static_cast<unsigned>(options.retries), .time_limit = options.timeout.get()};
  }
  std::shared_ptr<detail::Reference> shared_result(detail::Reply&& reply) const;
  template <class R>
  AsyncResultProxy<R> result(detail::Reply&& reply) const {
    return AsyncResultProxy<R>(shared_result(std::move(reply)));
  }
  /// Python's rule: four chunks for each worker.
  std::size_t chunksize_for(std::size_t elements, const MapOptions& options) const;
  template <class T>
  T ask(detail::PoolQuestion question, std::int64_t argument = 0) const;

  /// The range itself; a copy of its elements where it can be gone through only once, or has an end of another type.
  template <class Range>
  static decltype(auto) several_times(Range& xs) {
    using Iterator = detail::RangeIterator<Range>;
    if constexpr (std::forward_iterator<Iterator> && std::is_same_v<Iterator, std::decay_t<decltype(std::end(xs))>>) {
      return (xs);
    } else {
      std::vector<detail::RangeElement<Range>> copy;
      for (auto&& x : xs) copy.emplace_back(x);
      return copy;
    }
  }
  template <detail::Spread S, class F, class Range>
  auto submit_map(const F& f, Range&& xs, const MapOptions& options) const {
    using E = detail::RangeElement<std::remove_reference_t<Range>>;
    using R = detail::MapResult<S, F, E>;
    using Result = std::conditional_t<std::is_void_v<R>, void, std::vector<detail::Kept<R>>>;
    const auto elements = static_cast<std::size_t>(std::distance(std::begin(xs), std::end(xs)));
    const std::size_t chunksize = chunksize_for(elements, options);
    const detail::TaskHeader header(terms_from(options), detail::ResultStyle::chunks);
    std::shared_ptr<detail::Reference> whole;
    auto position = std::begin(xs);
    std::size_t left = elements;
    do {
      // What does not fit into one message goes in several.
      detail::Request request(whole ? *whole : reference(), whole ? detail::Op::extend : detail::Op::submit);
      request.raw(header);
      while (left != 0 && request.writer().size() < largest_request) {
        const std::size_t count = std::min(chunksize, left);
        left -= count;
        request.put_by([&](detail::Writer& out) {
          out.raw(detail::token_of_thunk<&detail::map_thunk<S, F, E>>());
          detail::encode_callable(out, f);
          out.raw(std::uint64_t{count});
          for (std::size_t i = 0; i < count; ++i, ++position) detail::encode_element<E>(out, static_cast<const E&>(*position));
        });
      }
      auto reply = request.send();
      if (!whole) whole = shared_result(std::move(reply));
    } while (left != 0);
    return AsyncResultProxy<Result>(std::move(whole));
  }
  template <detail::Spread S, class F, class Range>
  auto wait_for_map(const F& f, Range&& xs, const MapOptions& options) const {
    const auto result = submit_map<S>(f, xs, options);
    if (!options.progress.empty()) {
      const auto elements = static_cast<std::size_t>(std::distance(std::begin(xs), std::end(xs)));
      const std::size_t chunksize = chunksize_for(elements, options);
      detail::ProgressBar bar(options.progress, elements);
      while (!result.wait_for(progress_interval)) bar.update(std::min<std::size_t>(elements, result.status().done * chunksize));
      bar.finish(elements);
    }
    return result.get();
  }
  template <class Range, class F>
  auto lazy(F f, std::remove_reference_t<Range>& xs, bool ordered, const MapOptions& options) const {
    using E = detail::RangeElement<std::remove_reference_t<Range>>;
    std::size_t total = 0;
    if constexpr (requires { std::size(xs); }) total = static_cast<std::size_t>(std::size(xs));
    return ImapResultsProxy<F, E, Range>(shared_reference(), std::move(f), static_cast<Range&&>(xs), ordered,
                                         detail::lazy_chunksize(options.chunksize), 4 * size(), terms_from(options), options.progress,
                                         total);
  }

  static constexpr std::size_t largest_request = std::size_t{64} << 20;
  static constexpr std::chrono::milliseconds progress_interval{100};
};

}  // namespace ipc
