#include "ipc/process/family.hpp"

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "ipc/os/current.hpp"

namespace ipc::process {
namespace {

struct Register {
  explicit Register(Register* inherited_in) : inherited(inherited_in) {}

  std::mutex mutex;
  std::vector<std::shared_ptr<Member>> members;
  const pid_t owner = os::process_id();
  Register* const inherited;  // The parent's, so that leak checkers find what it holds.
};

// Never destroyed: children are joined at the very end.
std::atomic<Register*> current_register{nullptr};

Register& family() {
  Register* ours = current_register.load(std::memory_order_acquire);  // SYNC POINT: register made
  if (ours != nullptr && ours->owner == os::process_id()) return *ours;
  // The first use in this process. What a fork of the program's own has inherited is the parent's, and may be locked by
  // a thread that does not exist here: it is left alone.
  auto* fresh = new Register(ours);
  if (current_register.compare_exchange_strong(ours, fresh, std::memory_order_acq_rel)) return *fresh;  // SYNC POINT: register made
  delete fresh;
  return *ours;
}

}  // namespace

void register_child(std::shared_ptr<Member> member) {
  static const int registered = std::atexit(leave_family);
  (void)registered;
  Register& ours = family();
  const std::lock_guard lock(ours.mutex);
  ours.members.push_back(std::move(member));
}

std::vector<std::shared_ptr<Member>> living_children() {
  Register& ours = family();
  const std::lock_guard lock(ours.mutex);
  std::erase_if(ours.members, [](const auto& member) { return member->child.poll().has_value(); });
  return ours.members;
}

void leave_family() noexcept {
  // The process is ending: there is nobody left to tell of an error, and the other children are still to be joined.
  const auto quietly = [](auto action) {
    try {
      action();
    } catch (...) {
    }
  };
  quietly([&] {
    const auto children = living_children();
    for (const auto& member : children) {
      if (member->daemon) quietly([&] { member->child.signal(SIGTERM); });
    }
    for (const auto& member : children) quietly([&] { member->child.wait(detail::Deadline::never()); });
  });
}

}  // namespace ipc::process
