#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/name_use.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/wait_hook.hpp>
#include <ipc/detail/writer.hpp>

namespace ipc::queues {
class Core;
}  // namespace ipc::queues

namespace ipc::detail {

/// An encoded item on its way into a queue. Owns nothing.
struct OutgoingItem {
  std::span<const std::byte> bytes;
  std::span<const Fd> fds;
};

/// Items of a queue whose items all have one size, one after the other. Owns nothing.
struct OutgoingRow {
  const std::byte* first;
  std::size_t count;
};

/// Where such items come out: room for `count` of them, one after the other. If it throws, they stay in the queue.
class RowSink {
 public:
  RowSink() = default;
  RowSink(const RowSink&) = delete;
  RowSink& operator=(const RowSink&) = delete;
  virtual ~RowSink() = default;
  virtual std::byte* room(std::size_t count) = 0;
};

/// Where items come out.
class ItemSink {
 public:
  ItemSink() = default;
  ItemSink(const ItemSink&) = delete;
  ItemSink& operator=(const ItemSink&) = delete;
  virtual ~ItemSink() = default;
  /// Room for the next item's bytes. If it throws, this item and those before it in the same call stay in the queue.
  virtual std::span<std::byte> room(std::size_t size) = 0;
  /// Its descriptors; not called where there are none.
  virtual void take(std::vector<Fd> fds) = 0;
};

/// A thread's writer, lent for one `put`: its memory is used again for the next.
class LentWriter {
 public:
  LentWriter();
  LentWriter(const LentWriter&) = delete;
  LentWriter& operator=(const LentWriter&) = delete;
  ~LentWriter();
  Writer& operator*() noexcept { return *writer_; }
  Writer* operator->() noexcept { return writer_; }

 private:
  Writer own_;  // For an item whose encoding puts something into a queue itself.
  Writer* writer_;
};

/// One item's bytes and descriptors, in a thread's memory that is lent for one `get`.
class LentItem final : public ItemSink {
 public:
  LentItem();
  ~LentItem() override;
  std::span<std::byte> room(std::size_t size) override;
  void take(std::vector<Fd> fds) override { fds_ = std::move(fds); }
  Reader reader() noexcept { return Reader(bytes_, fds_); }

 private:
  std::unique_ptr<std::byte[]> memory_;
  std::size_t capacity_ = 0;
  std::span<std::byte> bytes_;
  std::vector<Fd> fds_;
};

/// The items of one `get_many`.
class ItemBatch final : public ItemSink {
 public:
  std::span<std::byte> room(std::size_t size) override;
  void take(std::vector<Fd> fds) override { items_.back().fds = std::move(fds); }
  std::size_t size() const noexcept { return items_.size(); }
  Reader reader(std::size_t index) noexcept;
  void clear() noexcept;

 private:
  struct Item {
    std::size_t offset;
    std::size_t size;
    std::vector<Fd> fds;
  };
  Writer bytes_;
  std::vector<Item> items_;
};

/// What all queues have in common, whatever they hold. Copies are handles of the same queue. Any thread may use one handle
/// at the same time as others.
class QueueHandle {
 public:
  /// How many items are in the queue, at the instant of the call; each that a finished `put` put counts.
  std::size_t qsize() const;
  bool empty() const;
  /// Whether there are `maxsize` items in it. Never, for a queue without.
  bool full() const;

  /// This process will use the queue no more: every further call but these two throws `UsageError`, also through other
  /// handles of this process, and calls that wait in it do. Items that were put stay in the queue, for others.
  void close() const;
  bool closed() const;
  /// For all processes, for good: `put` throws `ShutDown`; `get` gives what is still in the queue, then throws `ShutDown`.
  /// Calls that wait find out. With `immediate`, what is in the queue is thrown away (and counts as done).
  void shutdown(bool immediate = false) const;

  /// A descriptor that is readable while `get` would not wait, for the caller's own poll or epoll. It stays the queue's, as
  /// long as this process has a handle; do not read from it. Several processes may look at theirs: who comes late finds the
  /// queue empty. From the first call on, a queue that becomes empty or stops being so costs a system call.
  /// Of a queue with a name each process has one of its own (one of the user's inotify instances, of which there are
  /// fs.inotify.max_user_instances; beyond, `std::system_error`, EMFILE), which stays readable when another process has taken the
  /// last item, until `get` or `ipc::wait` has been called here.
  int fileno() const;
  /// For `ipc::wait`.
  WaitHook ipc_wait_hook() const;
  /// For those who go through the queue and have other things to do: whether `get` would not wait.
  bool ipc_ready() const noexcept;

  /// Whether both are handles of the same queue.
  friend bool operator==(const QueueHandle&, const QueueHandle&) = default;

  void ipc_encode(Writer& writer) const;

 protected:
  enum class Flavour : std::uint32_t { queue = 1, simple = 2, joinable = 3 };
  struct Type {
    std::uint64_t tag;
    Flavour flavour;
    std::size_t item_size;  ///< 0: each item has its own.
    bool carries_fds;
    std::string (*name)();  ///< For messages to the user.
  };
  QueueHandle(const Type& type, std::ptrdiff_t maxsize);
  QueueHandle(const Type& type, std::string_view name, NameUse use, std::ptrdiff_t maxsize);
  QueueHandle(const Type& type, Reader& reader);

  /// Puts the items, one after the other, until the deadline; returns how many. Throws `ShutDown`, `UsageError`,
  /// `std::system_error`: then none, where it was called with one.
  std::size_t put_some(std::span<const OutgoingItem> items, Deadline deadline) const;
  /// Takes up to `most` items that are there, waiting for the first until the deadline; returns how many.
  std::size_t get_some(ItemSink& sink, std::size_t most, Deadline deadline) const;
  /// The same for queues whose items have one size, and only for those.
  std::size_t put_some(const OutgoingRow& row, Deadline deadline) const;
  std::size_t get_some(RowSink& sink, std::size_t most, Deadline deadline) const;
  void item_done() const;
  bool join_by(Deadline deadline) const;

  [[noreturn]] static void fail_full();
  [[noreturn]] static void fail_empty();

 private:
  std::shared_ptr<queues::Core> core_;
};

}  // namespace ipc::detail
