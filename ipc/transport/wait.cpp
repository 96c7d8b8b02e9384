#include <ipc/wait.hpp>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "ipc/base/scope_exit.hpp"
#include "ipc/base/spin.hpp"
#include "ipc/os/cpu.hpp"
#include "ipc/os/poll.hpp"

namespace ipc {

Waitable::Waitable(int fd) : hook_{.fd = fd} {
  if (fd < 0) throw std::invalid_argument("wait: " + std::to_string(fd) + " is not a descriptor.");
}

namespace detail {
namespace {

/// Polls the descriptors of all who are not ready, and enters those that are now; returns whether anybody is.
bool poll_others(std::span<const Waitable> objects, std::vector<bool>& ready, Deadline deadline) {
  std::vector<os::PollEntry> entries(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (!ready[i]) entries[i].fd = objects[i].hook().fd;
  }
  os::poll(entries, deadline);
  bool any = false;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const WaitHook& hook = objects[i].hook();
    if (entries[i].invalid) throw std::system_error(EBADF, std::generic_category(), "wait: descriptor " + std::to_string(hook.fd));
    if (entries[i].ready) ready[i] = hook.ready == nullptr || hook.ready(hook.object);
    any = any || ready[i];
  }
  return any;
}

/// Where all of them can be looked at without the kernel, spins for the first of them, as `recv` and `get` would. Whether it did
/// so in vain: then `budget` wants to know how the wait ended.
bool spun_in_vain(std::span<const Waitable> objects, Deadline deadline, base::SpinBudget& budget) {
  if (deadline.expired()) return false;
  const auto can = [](const Waitable& object) { return object.hook().glance != nullptr; };
  if (objects.empty() || !std::all_of(objects.begin(), objects.end(), can)) return false;
  return !budget.spin([objects] {
    return std::any_of(objects.begin(), objects.end(), [](const Waitable& object) { return object.hook().glance(object.hook().object); });
  });
}

}  // namespace

std::vector<std::size_t> wait_for_any(std::span<const Waitable> objects, Deadline deadline) {
  const base::ScopeExit disarm([objects] {
    for (const Waitable& object : objects) {
      if (object.hook().disarm != nullptr) object.hook().disarm(object.hook().object);
    }
  });
  static thread_local base::SpinBudget budget(os::allowed_cpus());
  bool in_vain = spun_in_vain(objects, deadline, budget);
  std::vector<bool> ready(objects.size());
  for (;;) {
    bool any = false;
    bool all_tell = true;
    for (std::size_t i = 0; i < objects.size(); ++i) {
      const WaitHook& hook = objects[i].hook();
      ready[i] = hook.arm != nullptr && hook.arm(hook.object);
      any = any || ready[i];
      all_tell = all_tell && ready[i];
    }
    // Those that only the kernel knows about are looked at too, without waiting: all that are ready are to be returned.
    if (all_tell && any) break;
    const bool come = poll_others(objects, ready, any ? Deadline::expired_already() : deadline);
    if (std::exchange(in_vain, false) && come) budget.woke();
    if (come || any || deadline.expired()) break;
  }
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (ready[i]) indices.push_back(i);
  }
  return indices;
}

}  // namespace detail
}  // namespace ipc
