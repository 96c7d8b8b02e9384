#include <ipc/detail/completions.hpp>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace ipc::detail {

Completions::Completions(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::unordered_map<const Job*, std::size_t> seen;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto [it, first] = seen.emplace(entries_[i].job.get(), i);
    first_.push_back(it->second);
    if (first) distinct_.push_back(i);
    one_pool_ = one_pool_ && entries_[i].core == entries_.front().core;
  }
  ready_.reserve(distinct_.size());
  for (const std::size_t i : distinct_) entries_[i].core->observe(*entries_[i].job, *this, i);
}

Completions::~Completions() {
  for (const std::size_t i : distinct_) {
    if (entries_[i].core->owned_here()) entries_[i].core->forget(*entries_[i].job, *this);
  }
}

void Completions::job_ready(std::size_t position) noexcept {
  const std::lock_guard lock(mutex_);
  ready_.push_back(position);
  changed_.notify_one();
}

bool Completions::any_ready() {
  const std::lock_guard lock(mutex_);
  return taken_ != ready_.size();
}

std::optional<std::size_t> Completions::next(Deadline deadline) {
  if (left() == 0) return std::nullopt;
  if (!any_ready()) {
    if (one_pool_) {
      entries_.front().core->wait([this] { return any_ready(); }, deadline);
    } else {
      // No thread can drive several pools; their own threads do.
      std::unique_lock lock(mutex_);
      const auto done = [this] { return taken_ != ready_.size(); };
      if (deadline.is_never())
        changed_.wait(lock, done);
      else
        changed_.wait_until(lock, deadline.at(), done);
    }
  }
  const std::lock_guard lock(mutex_);
  if (taken_ == ready_.size()) return std::nullopt;
  ++given_;
  return ready_[taken_++];
}

}  // namespace ipc::detail
