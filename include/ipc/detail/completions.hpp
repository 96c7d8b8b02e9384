#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/job.hpp>
#include <ipc/detail/pool_core.hpp>

namespace ipc::detail {

/// Waits for several jobs, of one pool or of many, and gives them in the order in which they become ready; those that are
/// ready at first come first. A job that is listed twice counts once. One thread at a time.
class Completions final : private ReadyObserver {
 public:
  struct Entry {
    std::shared_ptr<PoolCore> core;
    std::shared_ptr<Job> job;
  };
  explicit Completions(std::vector<Entry> entries);
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;
  ~Completions() override;

  /// The position of the next one, if it is ready before the deadline; of a job that is listed twice, the first. Nothing
  /// also when there are no more.
  std::optional<std::size_t> next(Deadline deadline);
  /// How many jobs there are.
  std::size_t size() const noexcept { return distinct_.size(); }
  /// How many `next` has not given yet.
  std::size_t left() const noexcept { return size() - given_; }
  /// The position of the first entry with the same job.
  std::size_t first_of(std::size_t position) const noexcept { return first_[position]; }

 private:
  void job_ready(std::size_t position) noexcept override;
  bool any_ready();

  std::vector<Entry> entries_;
  std::vector<std::size_t> first_;
  std::vector<std::size_t> distinct_;
  bool one_pool_ = true;
  std::size_t given_ = 0;
  std::mutex mutex_;  // Guards what follows; taken under the locks of the pools, never the other way round.
  std::condition_variable changed_;
  std::vector<std::size_t> ready_;  // In order; room for all of them from the start.
  std::size_t taken_ = 0;
};

}  // namespace ipc::detail
