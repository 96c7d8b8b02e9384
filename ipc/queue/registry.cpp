#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/os/at_fork.hpp"
#include "ipc/os/event_fd.hpp"
#include "ipc/os/file_space.hpp"
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
    if (!core) cores_.erase(id);
    return core;
  }
  /// The queue that lies in that memory; nullptr when none does.
  std::shared_ptr<Core> find_or_open(Parts parts) {
    const os::FileFacts facts = os::file_facts(parts.memory.get());
    if (facts.size < ring_offset + first_capacity) return nullptr;
    return find_or_make(facts.id, [&]() -> std::shared_ptr<Core> {
      {
        const os::Mapping page(parts.memory.get(), ring_offset);
        auto& words = *reinterpret_cast<QueueWords*>(page.data());
        if (words.magic != queue_magic) return nullptr;
        if (words.named != 0 && words.carries_fds != 0) {
          if (parts.freight.life)
            words.depot.note(parts.freight);
          else
            parts.freight = words.depot.enter(parts.memory.get());
        }
      }
      return std::make_shared<Core>(std::move(parts), facts.id);
    });
  }
  void forget(os::FileId id) {
    const std::lock_guard guard(mutex_);
    const auto found = cores_.find(id);
    if (found != cores_.end() && found->second.expired()) cores_.erase(found);
  }
  void after_fork() {
    for (const auto& [id, entry] : cores_) {
      if (const auto core = entry.lock()) core->after_fork();
    }
  }

 private:
  Registry() {
    shm::prepare_created_names();  // Their locks are taken inside ours.
    os::at_fork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                [] {
                  instance().mutex_.unlock();  // Nobody else is there.
                  instance().after_fork();
                });
  }

  std::mutex mutex_;
  std::map<os::FileId, std::weak_ptr<Core>> cores_;
};

constexpr std::size_t first_size = ring_offset + first_capacity;

/// Lays out a fresh queue.
void format(const Fd& memory, const Identity& identity, std::uint64_t most_items, bool carries_fds, bool named) {
  const os::Mapping page(memory.get(), ring_offset);
  // SUBTLE: everything that is not initialised is zero, as a fresh file is.
  auto& words = *new (page.data()) QueueWords();
  words.type_tag = identity.type_tag;
  words.item_size = identity.item_size;
  words.most_items = most_items;
  words.flavour = identity.flavour;
  words.reserved = first_capacity;
  words.capacity.store(first_capacity, std::memory_order_relaxed);
  words.touched.store(first_capacity, std::memory_order_relaxed);
  words.named = named ? 1 : 0;
  words.carries_fds = carries_fds ? 1 : 0;
  words.magic = queue_magic;
}

}  // namespace

std::shared_ptr<Core> Core::make(const Identity& identity, std::uint64_t most_items, bool carries_fds) {
  Parts parts{os::make_memfd("ipc-queue", first_size), os::make_event_fd(), {}};
  if (carries_fds) parts.freight = Freight::make();
  format(parts.memory, identity, most_items, carries_fds, false);
  const os::FileId id = os::file_facts(parts.memory.get()).id;
  return Registry::instance().find_or_make(id, [&] { return std::make_shared<Core>(std::move(parts), id); });
}

std::shared_ptr<Core> Core::open(Parts parts, const Identity& identity) {
  auto core = Registry::instance().find_or_open(std::move(parts));
  if (!core) throw EncodingError("What should be a queue is none: it was sent as another type, or damaged.");
  if (!core->is(identity)) throw EncodingError("A queue was decoded as a queue of another type, or as another kind of queue.");
  return core;
}

std::shared_ptr<Core> Core::named(const Naming& naming, const Identity& identity, std::uint64_t most_items, bool carries_fds) {
  const auto build = [&](const Fd& file) {
    // /dev/shm has a size. What does not fit in is an error now, and not a SIGBUS later.
    os::reserve_space(file.get(), 0, first_size);
    format(file, identity, most_items, carries_fds, true);
  };
  shm::Opened opened;
  if (naming.use == detail::NameUse::open_or_create)
    opened = shm::open_or_create_named(naming.name, first_size, build);
  else if (naming.use == detail::NameUse::create)
    opened = {shm::create_named(naming.name, first_size, build), true};
  else
    opened.fd = shm::open_named(naming.name);

  auto core = Registry::instance().find_or_open({std::move(opened.fd), {}, {}});
  const std::string what = "The shared object named \"" + naming.name.text() + "\" ";
  if (!core || core->words_->named == 0) throw UsageError(what + "is no queue of this version of the library.");
  if (!core->is(identity)) throw UsageError(what + "is no " + naming.type_name + ", but another kind of queue, or one of another type.");
  if (opened.created) core->name_.emplace(naming.name, core->memory(), shm::CreatedName::AtEnd::persists);
  if (naming.use == detail::NameUse::open_or_create && core->words_->most_items != most_items)
    throw UsageError(what + "is a queue with another maxsize.");
  return core;
}

bool Core::is(const Identity& identity) const noexcept {
  return words_->type_tag == identity.type_tag && words_->item_size == identity.item_size && words_->flavour == identity.flavour;
}

void Core::after_fork() noexcept {
  if (freight_.ends().life) words_->depot.note(freight_.ends());
}

Core::~Core() {
  if (joinable()) empty_handed(words_->hands, id_);
  if (freight_.ends().life) words_->depot.leave();
  Registry::instance().forget(id_);
}

}  // namespace ipc::queues
