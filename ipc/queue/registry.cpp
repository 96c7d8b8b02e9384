#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/os/at_fork.hpp"
#include "ipc/os/event_fd.hpp"
#include "ipc/os/memfd.hpp"
#include "ipc/queue/core.hpp"

namespace ipc::queues {
namespace {

/// The queues of this process by their memory: so that a queue which arrives again is the same, without a second mapping.
/// Any thread. Never destroyed: handles may live in static objects.
class Registry {
 public:
  static Registry& instance() {
    static Registry& registry = *new Registry();
    return registry;
  }

  template <class Make>
  std::shared_ptr<Core> find_or_make(os::FileId id, Make make) {
    const std::lock_guard guard(mutex_);
    std::weak_ptr<Core>& entry = cores_[id];
    std::shared_ptr<Core> core = entry.lock();
    if (!core) entry = core = make();
    return core;
  }
  void forget(os::FileId id) {
    const std::lock_guard guard(mutex_);
    const auto found = cores_.find(id);
    if (found != cores_.end() && found->second.expired()) cores_.erase(found);
  }

 private:
  Registry() {
    os::at_fork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); }, [] { instance().mutex_.unlock(); });
  }

  std::mutex mutex_;
  std::map<os::FileId, std::weak_ptr<Core>> cores_;
};

[[noreturn]] void fail_no_queue() { throw EncodingError("What should be a queue is none: it was sent as another type, or damaged."); }

}  // namespace

std::shared_ptr<Core> Core::make(const Identity& identity, std::uint64_t most_items, bool carries_fds) {
  Parts parts{os::make_memfd("ipc-queue", ring_offset + first_capacity), os::make_event_fd(), {}};
  if (carries_fds) parts.freight = Freight::make();
  {
    const os::Mapping page(parts.memory.get(), ring_offset);
    // SUBTLE: everything that is not initialised is zero, as a fresh memfd is.
    auto& words = *new (page.data()) QueueWords();
    words.type_tag = identity.type_tag;
    words.most_items = most_items;
    words.flavour = identity.flavour;
    words.reserved = first_capacity;
    words.capacity.store(first_capacity, std::memory_order_relaxed);
    words.touched.store(first_capacity, std::memory_order_relaxed);
    words.magic = queue_magic;
  }
  const os::FileId id = os::file_facts(parts.memory.get()).id;
  return Registry::instance().find_or_make(id, [&] { return std::make_shared<Core>(std::move(parts), id); });
}

std::shared_ptr<Core> Core::open(Parts parts, const Identity& identity) {
  const os::FileFacts facts = os::file_facts(parts.memory.get());
  if (facts.size < ring_offset + first_capacity) fail_no_queue();
  const auto core = Registry::instance().find_or_make(facts.id, [&] {
    {
      const os::Mapping page(parts.memory.get(), ring_offset);
      if (reinterpret_cast<const QueueWords*>(page.data())->magic != queue_magic) fail_no_queue();
    }
    return std::make_shared<Core>(std::move(parts), facts.id);
  });
  const QueueWords& words = core->words();
  if (words.type_tag != identity.type_tag || words.flavour != identity.flavour) {
    throw EncodingError("A queue was decoded as a queue of another type, or as another kind of queue.");
  }
  return core;
}

Core::~Core() { Registry::instance().forget(id_); }

}  // namespace ipc::queues
