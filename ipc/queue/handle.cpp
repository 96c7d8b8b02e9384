#include <algorithm>
#include <cstdint>
#include <utility>

#include <ipc/detail/queue_handle.hpp>
#include <ipc/error.hpp>

#include "ipc/queue/core.hpp"

namespace ipc::detail {
namespace {

/// What a thread keeps of the memory that a large item took.
constexpr std::size_t most_kept = std::size_t{4} << 20;

template <class T>
struct Lendable {
  T value;
  bool lent = false;
};

Lendable<Writer>& thread_writer() {
  static thread_local Lendable<Writer> writer;
  return writer;
}

struct Memory {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t capacity = 0;
};
Memory& thread_memory() {
  static thread_local Memory memory;
  return memory;
}

}  // namespace

LentWriter::LentWriter() : writer_(&own_) {
  auto& lendable = thread_writer();
  if (lendable.lent) return;
  lendable.lent = true;
  writer_ = &lendable.value;
}

LentWriter::~LentWriter() {
  if (writer_ == &own_) return;
  if (writer_->on_heap() && writer_->size() > most_kept) writer_->release_heap();
  writer_->clear();
  thread_writer().lent = false;
}

LentItem::LentItem() : memory_(std::move(thread_memory().bytes)), capacity_(std::exchange(thread_memory().capacity, 0)) {}

LentItem::~LentItem() {
  if (capacity_ > most_kept) return;
  thread_memory().bytes = std::move(memory_);
  thread_memory().capacity = capacity_;
}

std::span<std::byte> LentItem::room(std::size_t size) {
  if (size > capacity_) {
    const std::size_t wanted = std::max(size, std::size_t{256});
    memory_.reset();
    capacity_ = 0;
    memory_.reset(new std::byte[wanted]);  // Not value-initialised.
    capacity_ = wanted;
  }
  return bytes_ = {memory_.get(), size};
}

std::span<std::byte> ItemBatch::room(std::size_t size) {
  const std::size_t offset = bytes_.size();
  std::byte* at = bytes_.extend(size);
  items_.push_back({offset, size, {}});
  return {at, size};
}

Reader ItemBatch::reader(std::size_t index) noexcept {
  Item& item = items_[index];
  return Reader(bytes_.view().subspan(item.offset, item.size), item.fds);
}

void ItemBatch::clear() noexcept {
  bytes_.clear();
  items_.clear();
}

namespace {

template <class Type>
queues::Identity identity_of(const Type& type) {
  return {type.tag, type.item_size, static_cast<queues::Flavour>(type.flavour)};
}

/// How a queue looks in a message; the descriptors of its parts follow.
struct Encoded {
  std::uint32_t has_bell;
  std::uint32_t has_freight;
  std::uint32_t has_life;
};

std::uint64_t most_items(std::ptrdiff_t maxsize) noexcept {
  return maxsize > 0 && maxsize <= UINT32_MAX ? static_cast<std::uint64_t>(maxsize) : UINT64_MAX;
}

queues::Core& core_of(void* object) noexcept { return *static_cast<queues::Core*>(object); }

}  // namespace

QueueHandle::QueueHandle(const Type& type, std::ptrdiff_t maxsize)
    : core_(queues::Core::make(identity_of(type), most_items(maxsize), type.carries_fds)) {}

QueueHandle::QueueHandle(const Type& type, std::string_view name, NameUse use, std::ptrdiff_t maxsize)
    : core_(queues::Core::named({shm::Name(name), use, type.name()}, identity_of(type), most_items(maxsize), type.carries_fds)) {}

QueueHandle::QueueHandle(const Type& type, Reader& reader) {
  const auto encoded = reader.raw<Encoded>();
  queues::Parts parts;
  parts.memory = reader.fd();
  if (encoded.has_bell != 0) parts.bell = reader.fd();
  if (encoded.has_freight != 0) {
    parts.freight.send = reader.fd();
    parts.freight.receive = reader.fd();
  }
  if (encoded.has_life != 0) parts.freight.life = reader.fd();
  core_ = queues::Core::open(std::move(parts), identity_of(type));
}

void QueueHandle::ipc_encode(Writer& writer) const {
  const queues::Freight& freight = core_->freight();
  const bool has_bell = !core_->named();
  const bool has_life = static_cast<bool>(freight.ends().life);
  writer.raw(Encoded{has_bell ? 1u : 0u, freight ? 1u : 0u, has_life ? 1u : 0u});
  writer.fd(Fd::duplicate_of(core_->memory()));
  if (has_bell) writer.fd(Fd::duplicate_of(core_->bell()));
  if (!freight) return;
  writer.fd(freight.ends().send.duplicate());
  writer.fd(freight.ends().receive.duplicate());
  if (has_life) writer.fd(freight.ends().life.duplicate());
}

std::size_t QueueHandle::qsize() const { return core_->size(); }
bool QueueHandle::empty() const { return core_->empty(); }
bool QueueHandle::full() const { return core_->full(); }
void QueueHandle::close() const { core_->close(); }
bool QueueHandle::closed() const { return core_->closed(); }
void QueueHandle::shutdown(bool immediate) const { core_->shut_down(immediate); }
int QueueHandle::fileno() const { return core_->watch(); }

WaitHook QueueHandle::ipc_wait_hook() const {
  WaitHook hook;
  hook.fd = core_->watch();
  hook.object = core_.get();
  hook.arm = [](void* object) { return core_of(object).ready(); };
  hook.glance = hook.arm;
  hook.ready = [](void* object) { return core_of(object).ready_after_bell(); };
  return hook;
}

bool QueueHandle::ipc_ready() const noexcept { return core_->ready(); }

std::size_t QueueHandle::put_some(std::span<const OutgoingItem> items, Deadline deadline) const { return core_->put(items, deadline); }
std::size_t QueueHandle::get_some(ItemSink& sink, std::size_t most, Deadline deadline) const { return core_->get(sink, most, deadline); }
std::size_t QueueHandle::put_some(const OutgoingRow& row, Deadline deadline) const { return core_->put(row, deadline); }
std::size_t QueueHandle::get_some(RowSink& sink, std::size_t most, Deadline deadline) const { return core_->get(sink, most, deadline); }
void QueueHandle::item_done() const { core_->item_done(); }
bool QueueHandle::join_by(Deadline deadline) const { return core_->join(deadline); }

void QueueHandle::fail_full() { throw Full("The queue was full for as long as the caller wanted to wait."); }
void QueueHandle::fail_empty() { throw Empty("The queue was empty for as long as the caller wanted to wait."); }

}  // namespace ipc::detail
