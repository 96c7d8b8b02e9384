#pragma once

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/async_result.hpp>
#include <ipc/detail/callable.hpp>
#include <ipc/detail/imap_job.hpp>
#include <ipc/detail/input_range.hpp>
#include <ipc/detail/invoke.hpp>
#include <ipc/detail/map_job.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/progress_bar.hpp>
#include <ipc/detail/result_job.hpp>
#include <ipc/detail/task_terms.hpp>
#include <ipc/detail/time_limit.hpp>
#include <ipc/imap.hpp>
#include <ipc/process.hpp>

namespace ipc {

struct PoolOptions {
  /// How many workers; at least 1.
  int processes = process_cpu_count();
  /// Runs in each worker before its first task. What it throws fails the whole pool. Only for forked workers; with other
  /// start methods use `Pool(options, f, args...)`.
  std::function<void()> initializer = {};
  /// A worker that has done so many tasks is replaced by a fresh one; at least 1. Unlimited when left out.
  std::optional<int> max_tasks_per_child = {};
  StartMethod start_method = ipc::start_method();
  /// Workers are called NAMEWorker-1, NAMEWorker-2…
  std::string name = "Pool";
  /// So long may a worker take from its start until its initialiser has returned; then the pool fails with `TimeoutError`.
  detail::TimeLimit initializer_timeout = {};
  /// Runs in each worker that leaves in good order: when the pool is closed, or the worker is replaced by a fresh one. Not when
  /// it is killed, by `terminate` for instance. Only for forked workers.
  std::function<void()> worker_exit = {};
  /// A worker that has not left so long after its last task, although it was to, is killed.
  detail::TimeLimit worker_exit_timeout = {};
  /// A worker that has more memory resident than this, in bytes, after a task, is replaced by a fresh one.
  std::optional<std::size_t> max_rss = {};
  /// What a task throws says where it was thrown (`RemoteError::backtrace`); costs some microseconds for each exception.
  bool backtraces = true;
};

/// First argument of `apply` and `apply_async`: `pool.apply_async({.timeout = 2s, .retries = 1}, f, x)`.
struct TaskOptions {
  /// So long may the task run, counted from its start in the worker. Then its worker is killed and replaced, and the task
  /// fails with `TaskTimeout`. Any duration; unlimited when left out.
  detail::TimeLimit timeout = {};
  /// So often the task is tried again after `WorkerLost` or `TaskTimeout`. What it throws is an outcome, not tried again.
  int retries = 0;
  /// Of what waits for a worker, tasks of the highest priority go first; among equals, the oldest.
  int priority = 0;
};

struct MapOptions {
  /// Elements that travel and run together; 0 is automatic. Then a map makes chunks of some 400 microseconds of work, which it
  /// finds out on the way, and smaller ones towards the end; the lazy maps send elements one by one.
  std::size_t chunksize = 0;
  /// Not empty: shows a progress bar with this label on stderr while a map waits for its results, or those of a lazy map are
  /// taken. `map_async` and `starmap_async`, with which nobody need wait, show none.
  std::string progress = {};
  /// As in `TaskOptions`, for each chunk. With a `timeout`, automatic chunks are single elements.
  detail::TimeLimit timeout = {};
  int retries = 0;
  int priority = 0;
};

/// In a worker of a pool: its number, from 0 to one less than the pool's size, which a worker that replaces it takes over. In
/// other processes nothing.
std::optional<std::size_t> worker_id() noexcept;

using PoolStats = std::vector<detail::WorkerStats>;

/// A pool of worker processes that run calls: Python's `multiprocessing.Pool`. Any thread of the process that made it may
/// use it. Not copyable; the destructor terminates the workers and waits for their end.
///
/// Workers are forked, now and later, from a single-threaded process which the constructor forks from the caller: they see
/// memory as it was then. They ignore SIGINT and leave when this process dies, however it dies. So what Ctrl-C does is what
/// this process does about it: nothing more than to die, or, with a handler of its own, anything. One that is installed
/// with SA_RESETHAND lets a second Ctrl-C end everything at once.
///
/// A worker that dies costs exactly the task that it was running: that fails with `WorkerLost`, the worker is replaced, and
/// everything else goes on. Functions and arguments must be shippable (see callable.hpp and codec.hpp): anything else does
/// not compile. The function and its arguments are copied when the call is made, except by the maps that wait for their
/// results, which read the caller's range. No lock is held while a `serialize` function or a callback runs: it may use the
/// pool.
class Pool {
 public:
  Pool() : Pool(PoolOptions{}) {}
  /// Throws `std::invalid_argument` for fewer than 1 process, and `std::system_error` when they cannot be started (then
  /// none is left behind).
  explicit Pool(int processes) : Pool(PoolOptions{.processes = processes}) {}
  explicit Pool(PoolOptions options) { start(settings_from(std::move(options))); }
  /// `initializer(args...)` runs in each worker before its first task.
  template <class F, class... Args>
  requires(detail::forms_for<F, Args...>() != detail::no_form) Pool(PoolOptions options, F initializer, Args... args) {
    auto settings = settings_from(std::move(options));
    if constexpr (detail::ShippableCallable<F> && (detail::Sendable<Args> && ...)) {
      settings.ship_initializer = [initializer, args...](detail::Writer& out) { detail::encode_call(out, initializer, args...); };
    } else {
      settings.not_shippable = "The pool's initializer cannot be shipped to workers that are not forked: " + detail::why_not_shippable<F>();
    }
    settings.initializer = [initializer = std::move(initializer), args = std::tuple<Args...>(std::move(args)...)]() mutable {
      detail::Call<F, Args...>()(initializer, args);
    };
    start(std::move(settings));
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    if (!core_->owned_here()) {
      // A forked copy: the workers are the original's, and so is the thread that looks after them.
      new std::shared_ptr<detail::PoolCore>(std::move(core_));
      return;
    }
    core_->terminate();
    core_->join();
  }

  /// Calls `f(args...)` in a worker and waits for the result; throws what it throws.
  template <class F, class... Args>
  requires(!std::is_same_v<F, TaskOptions>) detail::CallResult<F, Args...> apply(F f, Args&&... args) {
    return submit_call({}, true, f, std::forward<Args>(args)...).get();
  }
  template <class F, class... Args>
  detail::CallResult<F, Args...> apply(const TaskOptions& options, F f, Args&&... args) {
    return submit_call(terms_from(options), true, f, std::forward<Args>(args)...).get();
  }
  /// The same without waiting.
  template <class F, class... Args>
  requires(!std::is_same_v<F, TaskOptions>) AsyncResult<detail::CallResult<F, Args...>> apply_async(F f, Args&&... args) {
    return submit_call({}, false, f, std::forward<Args>(args)...);
  }
  template <class F, class... Args>
  AsyncResult<detail::CallResult<F, Args...>> apply_async(const TaskOptions& options, F f, Args&&... args) {
    return submit_call(terms_from(options), false, f, std::forward<Args>(args)...);
  }

  /// `f` of each element, in the order of the elements. If any throws, the first exception to arrive is thrown, once all
  /// are done. The range is read while this waits; of a container that is an rvalue, what can be sent only by moving is moved.
  template <class F, class Range>
  auto map(F f, Range&& xs, MapOptions options = {}) {
    return map_waiting<detail::Spread::no>(std::move(f), std::forward<Range>(xs), options);
  }
  template <class F, class T>
  auto map(F f, std::initializer_list<T> xs, MapOptions options = {}) {
    return map_waiting<detail::Spread::no>(std::move(f), xs, options);
  }
  /// As `map`, without waiting: the elements are copied, or moved out of a container that is an rvalue.
  template <class F, class Range>
  auto map_async(F f, Range&& xs, MapOptions options = {}) {
    return map_copying<detail::Spread::no>(std::move(f), std::forward<Range>(xs), options);
  }
  template <class F, class T>
  auto map_async(F f, std::initializer_list<T> xs, MapOptions options = {}) {
    return map_copying<detail::Spread::no>(std::move(f), xs, options);
  }
  /// As `map`, for elements that are tuples or pairs: `f` gets their parts as arguments.
  template <class F, class Range>
  auto starmap(F f, Range&& xs, MapOptions options = {}) {
    return map_waiting<detail::Spread::yes>(std::move(f), std::forward<Range>(xs), options);
  }
  template <class F, class T>
  auto starmap(F f, std::initializer_list<T> xs, MapOptions options = {}) {
    return map_waiting<detail::Spread::yes>(std::move(f), xs, options);
  }
  template <class F, class Range>
  auto starmap_async(F f, Range&& xs, MapOptions options = {}) {
    return map_copying<detail::Spread::yes>(std::move(f), std::forward<Range>(xs), options);
  }
  template <class F, class T>
  auto starmap_async(F f, std::initializer_list<T> xs, MapOptions options = {}) {
    return map_copying<detail::Spread::yes>(std::move(f), xs, options);
  }
  /// Results one by one, in the order of the elements, while later ones are still being worked on. See `ImapResults`.
  template <class F, class Range>
  auto imap(F f, Range&& xs, MapOptions options = {}) {
    return lazy<Range>(std::move(f), xs, true, options);
  }
  template <class F, class T>
  auto imap(F f, std::initializer_list<T> xs, MapOptions options = {}) {
    return imap(std::move(f), std::vector<T>(xs), options);
  }
  /// As `imap`, in the order in which they come.
  template <class F, class Range>
  auto imap_unordered(F f, Range&& xs, MapOptions options = {}) {
    return lazy<Range>(std::move(f), xs, false, options);
  }
  template <class F, class T>
  auto imap_unordered(F f, std::initializer_list<T> xs, MapOptions options = {}) {
    return imap_unordered(std::move(f), std::vector<T>(xs), options);
  }

  /// No more calls; workers leave when all that were made are done. Idempotent.
  void close() { core_->close(); }
  /// Ends the workers now; what has no result yet fails with `PoolTerminated`. Idempotent.
  void terminate() { core_->terminate(); }
  /// Waits until all workers have left. Throws `UsageError` unless the pool was closed or terminated.
  void join() { core_->join(); }
  /// The number of workers.
  std::size_t size() const { return core_->size(); }
  /// From now on there are so many workers, at least 1. Those that are too many leave when the task they run has ended; no task
  /// is lost. Throws `UsageError` once the pool is closed.
  void resize(int processes) { core_->resize(processes); }
  /// Records from now on what the workers do, in Chrome's trace format, which Perfetto opens: one lane a worker, one slice a
  /// task, kills and retries marked. The file is complete after `join` or the destructor. Throws `std::system_error` when
  /// it cannot be written.
  void trace(const std::string& path) { core_->trace(path); }
  std::vector<pid_t> worker_pids() const { return core_->worker_pids(); }
  /// Of each worker there has been, the present ones last. Of those that left long ago (a thousand later ones have left since)
  /// only the sums, as one entry, "earlier workers".
  PoolStats stats() const { return core_->stats(); }

 private:
  static detail::PoolSettings settings_from(PoolOptions options) {
    detail::PoolSettings settings;
    settings.processes = options.processes;
    settings.max_tasks_per_child = options.max_tasks_per_child;
    settings.start_method = options.start_method;
    settings.name = std::move(options.name);
    settings.initializer = std::move(options.initializer);
    settings.initializer_timeout = options.initializer_timeout.get();
    settings.worker_exit = std::move(options.worker_exit);
    settings.worker_exit_timeout = options.worker_exit_timeout.get();
    settings.max_rss = options.max_rss;
    settings.backtraces = options.backtraces;
    settings.not_shippable =
        "PoolOptions::initializer may hold anything, so it can run only in forked workers. Use Pool(options, f, args...) with a function "
        "that "
        "can be shipped.";
    return settings;
  }
  void start(detail::PoolSettings settings) { core_ = detail::PoolCore::start(std::move(settings)); }

  template <class F, class... Args>
  auto submit_call(const detail::TaskTerms& terms, bool will_wait, const F& f, Args&&... args) {
    using R = detail::CallResult<F, Args...>;
    auto job = std::make_shared<detail::CallJob<R>>(f, std::forward<Args>(args)...);
    job->terms = terms;
    core_->submit(job, 0, 1, will_wait);
    return AsyncResult<R>(core_, std::move(job));
  }

  template <class Options>
  static detail::TaskTerms terms_from(const Options& options) {
    if (options.retries < 0) throw std::invalid_argument("retries must be at least 0, not " + std::to_string(options.retries) + ".");
    return {.priority = options.priority, .retries = static_cast<unsigned>(options.retries), .time_limit = options.timeout.get()};
  }

  /// Python's rule: four chunks for each worker.
  std::size_t even_chunk(std::size_t size) const {
    const std::size_t chunks = 4 * core_->size();
    return std::max<std::size_t>(1, (size + chunks - 1) / chunks);
  }

  template <detail::Spread S, class F, class Range>
  auto map_waiting(F f, Range&& xs, const MapOptions& options) {
    using Plain = std::remove_reference_t<Range>;
    using E = detail::RangeElement<Plain>;
    if constexpr (!detail::is_indexable_v<Plain>) {
      return run_map<S, F, E>(std::move(f), list_of<E>(std::forward<Range>(xs)), options);
    } else if constexpr (detail::gives_elements_v<Range> && detail::moves_when_sent_v<E>) {
      const auto moved = [](auto at) { return std::move_iterator(at); };
      return run_map<S, F, E>(std::move(f), detail::IndexedView(moved(detail::begin_of(xs)), moved(detail::end_of(xs))), options);
    } else {
      return run_map<S, F, E>(std::move(f), detail::IndexedView(detail::begin_of(xs), detail::end_of(xs)), options);
    }
  }
  template <detail::Spread S, class F, class E, class Input>
  auto run_map(F f, Input input, const MapOptions& options) {
    const std::size_t size = input.size();
    auto job = std::make_shared<detail::MapJob<S, F, E, Input>>(std::move(f), std::move(input), terms_from(options), options.chunksize,
                                                                even_chunk(size));
    core_->submit(job, 0, job->tasks(), true);
    std::optional<detail::ProgressBar> bar;
    if (!options.progress.empty()) bar.emplace(options.progress, size);
    if (size != 0) {
      core_->wait(
          [&] {
            if (bar) bar->update(job->done());
            return job->ready();
          },
          detail::Deadline::never(), job.get());
    }
    if (bar) bar->finish(size);
    if (job->error()) std::rethrow_exception(job->error());
    using R = detail::MapResult<S, F, E>;
    if constexpr (!std::is_void_v<R>) return std::move(job->value());
  }
  template <detail::Spread S, class F, class Range>
  auto map_copying(F f, Range&& xs, const MapOptions& options) {
    using E = detail::RangeElement<std::remove_reference_t<Range>>;
    using Input = std::vector<E>;
    Input input = list_of<E>(std::forward<Range>(xs));
    const std::size_t chunk = even_chunk(input.size());
    using Job = detail::MapJob<S, F, E, Input>;
    auto job = std::make_shared<Job>(std::move(f), std::move(input), terms_from(options), options.chunksize, chunk);
    core_->submit(job, 0, job->tasks(), false);
    using Result = std::conditional_t<std::is_void_v<typename Job::R>, void, std::vector<detail::Kept<typename Job::R>>>;
    return AsyncResult<Result>(core_, std::move(job));
  }
  template <class E, class Range>
  static std::vector<E> list_of(Range&& xs) {
    if constexpr (std::is_same_v<std::remove_cvref_t<Range>, std::vector<E>>) {
      return std::forward<Range>(xs);
    } else {
      std::vector<E> list;
      for (auto&& x : xs) list.emplace_back(detail::pass_element<Range>(std::forward<decltype(x)>(x)));
      return list;
    }
  }

  template <class Range, class F>
  auto lazy(F f, std::remove_reference_t<Range>& xs, bool ordered, const MapOptions& options) {
    using E = detail::RangeElement<std::remove_reference_t<Range>>;
    std::size_t total = 0;
    if constexpr (requires { std::size(xs); }) total = static_cast<std::size_t>(std::size(xs));
    return ImapResults<detail::Spread::no, F, E, Range>(core_, std::move(f), static_cast<Range&&>(xs), ordered,
                                                        detail::lazy_chunksize(options.chunksize), terms_from(options), options.progress,
                                                        total);
  }

  std::shared_ptr<detail::PoolCore> core_;
};

}  // namespace ipc
