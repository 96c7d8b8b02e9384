#include <ipc/detail/managed_completions.hpp>

#include <map>

#include <ipc/error.hpp>
#include <ipc/manager.hpp>

namespace ipc::detail {

ManagedCompletions::ManagedCompletions(const References& results) {
  std::map<ObjectId, std::size_t> seen;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Reference& result = *results[i];
    if (result.server() != results.front()->server())
      throw UsageError("as_completed and wait were given results of several managers; those of one at a time can be waited for.");
    const auto [entry, first] = seen.emplace(result.id(), i);
    first_.push_back(entry->second);
    if (!first) continue;
    ++size_;
    Request request(result, Op::notify);
    if (!ready_) ready_ = Manager::over(result.shared_store()).Queue<std::uint64_t>();
    request.put(*ready_).put(std::uint64_t{i}).send();
  }
}

std::optional<std::size_t> ManagedCompletions::next(Deadline deadline) {
  if (left() == 0) return std::nullopt;
  if (taken_.empty()) {
    for (const std::uint64_t position : ready_->get_many(left(), deadline.remaining())) taken_.push_back(position);
  }
  if (taken_.empty()) return std::nullopt;
  const auto position = static_cast<std::size_t>(taken_.front());
  taken_.pop_front();
  ++given_;
  return position;
}

}  // namespace ipc::detail
