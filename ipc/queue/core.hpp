#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/name_use.hpp>
#include <ipc/detail/queue_handle.hpp>

#include "ipc/os/mapping.hpp"
#include "ipc/os/memfd.hpp"
#include "ipc/queue/freight.hpp"
#include "ipc/queue/layout.hpp"
#include "ipc/queue/pace.hpp"
#include "ipc/queue/ring.hpp"
#include "ipc/shm/created_name.hpp"
#include "ipc/shm/names.hpp"

namespace ipc::queues {

/// What makes up a queue, outside of any process: its memory, the bell that tells of items to those who poll, and the socket in
/// which descriptors travel, if its items can have any. Of a queue with a name only the memory can be found by it: the socket is
/// fetched from others who have it (depot.hpp), and who polls makes a bell that watches the memory's file (os/file_watch.hpp).
struct Parts {
  Fd memory;
  Fd bell;
  Freight::Ends freight;
};

struct Identity {
  std::uint64_t type_tag = 0;
  std::size_t item_size = 0;
  Flavour flavour = Flavour::queue;
};

/// This process's view of a queue; one for each queue, however many handles there are. Any thread.
class Core {
 public:
  /// A new queue. `most_items` is at least 1. Throws `std::system_error`.
  static std::shared_ptr<Core> make(const Identity& identity, std::uint64_t most_items, bool carries_fds);
  /// An existing one; `EncodingError` when the parts are none, or a queue of something else.
  static std::shared_ptr<Core> open(Parts parts, const Identity& identity);
  /// One with a name (shm/names.hpp). `UsageError` when that means something else, or the queue has another size.
  struct Naming {
    shm::Name name;
    detail::NameUse use;
    std::string type_name;
  };
  static std::shared_ptr<Core> named(const Naming& naming, const Identity& identity, std::uint64_t most_items, bool carries_fds);

  Core(Parts parts, os::FileId id);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core();

  /// See detail::QueueHandle.
  std::size_t put(std::span<const detail::OutgoingItem> items, detail::Deadline deadline);
  std::size_t put(const detail::OutgoingRow& row, detail::Deadline deadline);
  std::size_t get(detail::ItemSink& sink, std::size_t most, detail::Deadline deadline);
  std::size_t get(detail::RowSink& sink, std::size_t most, detail::Deadline deadline);
  std::size_t size() const;
  bool empty() const;
  bool full() const;
  void close();
  bool closed() const noexcept { return closed_.load(std::memory_order_relaxed); }
  void shut_down(bool at_once);
  void item_done();
  bool join(detail::Deadline deadline);
  /// The bell's descriptor; from now on it is rung.
  int watch();
  /// Whether `get` would not wait.
  bool ready() const noexcept;
  /// The same, after the bell has rung: if it did so for nothing, it falls silent.
  bool ready_after_bell();
  /// In a forked child.
  void after_fork() noexcept;

  const QueueWords& words() const noexcept { return *words_; }
  bool is(const Identity& identity) const noexcept;
  int memory() const noexcept { return memory_.get(); }
  int bell() const noexcept { return bell_.get(); }
  bool named() const noexcept { return words_->named != 0; }
  const Freight& freight() const noexcept { return freight_; }

 private:
  enum class Stopped { not_at_all, full, freight };
  struct Pushed {
    std::size_t count = 0;
    Stopped by = Stopped::not_at_all;
    std::uint32_t unloaded = 0;  ///< `QueueWords::unloaded` before that was found.
  };

  Mark tail() const noexcept { return Mark::of(words_->tail.load(std::memory_order_acquire)); }
  Mark head() const noexcept { return Mark::of(words_->head.load(std::memory_order_acquire)); }
  Mark contents() const noexcept;
  bool bounded() const noexcept { return words_->most_items <= UINT32_MAX; }
  Down down() const noexcept { return words_->down.load(std::memory_order_acquire); }
  bool has_room() const noexcept { return contents().items < words_->most_items; }
  bool has_item() const noexcept { return contents().items != 0; }
  /// A look that leaves the producers' line alone: true means that there probably is one, false nothing.
  bool item_seen() const noexcept;
  void require_open() const {
    if (closed()) fail_closed();
  }
  void require_up() const {
    if (down() != Down::no) fail_down();
  }
  [[noreturn]] static void fail_closed();
  [[noreturn]] static void fail_down();
  void require_freight() const;
  bool wait_for_room(const Pushed& pushed, detail::Deadline deadline);

  template <class Push>
  std::size_t put_all(std::size_t count, detail::Deadline deadline, Push push);
  Pushed push(std::span<const detail::OutgoingItem> items);
  bool push_one(const detail::OutgoingItem& item, Mark& at, Pushed& pushed);
  Pushed push(const detail::OutgoingRow& row);
  void commit(Mark tail);
  std::size_t free_items(Mark at, std::size_t count, std::size_t units);
  void make_room(Mark at, std::size_t units);
  template <class Take>
  std::size_t get_some(detail::Deadline deadline, Take take);
  template <class Take>
  std::size_t pop(std::uint32_t hand, Take take);
  enum class Taken { items, freight, lost };
  Taken take_items(detail::ItemSink& sink, std::size_t most, Mark& at);
  void take_row(detail::RowSink& sink, std::size_t most, Mark& at);
  Mark find_tail(Mark at, std::size_t most);
  void shrink(Mark at);
  bool joinable() const noexcept { return words_->flavour == Flavour::joinable; }
  std::uint32_t this_hand();
  bool all_done() const noexcept;
  void wake_all();
  void ring() noexcept;
  void mute() noexcept;
  void mute_if_empty() noexcept;

  Fd memory_;
  Fd bell_;
  Freight freight_;
  os::FileId id_;
  os::Mapping first_page_;
  QueueWords* words_;
  Window put_window_;
  Window get_window_;
  const std::uint32_t item_units_;  // Of each item, where all have one size…
  const std::size_t most_pushed_;   // …and how many are put at a time…
  const std::size_t most_popped_;   // …and taken.
  Pace put_pace_;
  Pace get_pace_;
  std::atomic<bool> closed_{false};
  std::atomic<std::uint64_t> hand_{0};    // Its number, and above that the generation in which that was found.
  std::optional<shm::CreatedName> name_;  // Of a queue that was made here, by name.
};

}  // namespace ipc::queues
