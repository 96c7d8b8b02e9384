#include <ipc/detail/reference.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <limits>
#include <stdexcept>
#include <string>

#include <ipc/detail/exception.hpp>
#include <ipc/detail/typed_operation.hpp>
#include <ipc/error.hpp>

#include "ipc/manager/remote_store.hpp"

namespace ipc::detail {
namespace {

thread_local NotedProxies* noting = nullptr;
thread_local GrantedProxies* granting = nullptr;
thread_local const ServerId* serving = nullptr;

/// Never the same for two threads of a process.
std::uint32_t this_thread() noexcept {
  static std::atomic<std::uint32_t> last{0};
  thread_local const std::uint32_t number = last.fetch_add(1, std::memory_order_relaxed) + 1;  // Nothing else depends on it.
  return number;
}

/// What stands first in an encoded proxy. NOTE: wire structure.
struct ProxyHeader {
  ServerId server;
  ObjectId id;
  std::uint64_t tag;
  ServedKind kind;
  std::uint8_t on_a_journey;  ///< What `ObjectStore::encode` writes follows.
  std::uint8_t reserved[6];
};
static_assert(sizeof(ProxyHeader) == 40);

std::shared_ptr<Reference> reference_for(const ProxyHeader& header, Reader& reader) {
  if (header.on_a_journey != 0) return manager::RemoteStore::decode(header.server, header.id, reader);
  if (granting == nullptr || granting->server() != header.server) {
    throw EncodingError("A proxy of a managed object was decoded where there is no manager.");
  }
  auto reference = granting->claim(header.id);
  if (reference == nullptr) throw EncodingError("A proxy came without its object.");
  return reference;
}

}  // namespace

Reference::~Reference() {
  if (store_ != nullptr) store_->release(id_, 1);
}

ObjectStore& Reference::store() const {
  if (store_ == nullptr || is_server_here(store_->server())) {
    throw UsageError(
        "A proxy can be passed on but not used inside an operation that runs on the manager's server, which would wait for itself.");
  }
  return *store_;
}

void ProxyBase::ipc_encode(Writer& writer) const {
  ProxyHeader header{};
  header.server = reference_->server();
  header.id = reference_->id();
  header.tag = tag_;
  header.kind = kind_;
  if (noting != nullptr && noting->server == header.server) {
    writer.raw(header);
    if (reference_->served() != nullptr)
      noting->served.push_back(reference_->served());
    else
      noting->ids.push_back(header.id);
    return;
  }
  header.on_a_journey = 1;
  writer.raw(header);
  reference_->store().encode(header.id, writer);
}

ProxyBase::ProxyBase(ServedKind kind, std::uint64_t tag, Reader& reader) : kind_(kind), tag_(tag) {
  const auto header = reader.raw<ProxyHeader>();
  // First, so that the reference is taken in any case.
  reference_ = reference_for(header, reader);
  if (header.kind != kind || header.tag != tag)
    throw EncodingError("A proxy was decoded as one of another kind of object, or of other elements.");
}

NotedProxies::NotedProxies(const ServerId& of) noexcept : server(of), before_(std::exchange(noting, this)) {}
NotedProxies::~NotedProxies() { noting = before_; }

GrantedProxies::GrantedProxies(std::shared_ptr<ObjectStore> store, std::vector<ObjectId> ids) noexcept
    : store_(std::move(store)), server_(store_->server()), ids_(std::move(ids)), before_(std::exchange(granting, this)) {}
GrantedProxies::GrantedProxies(const ServerId& server, std::span<const std::shared_ptr<Served>> served) noexcept
    : server_(server), served_(served), before_(std::exchange(granting, this)) {}
GrantedProxies::~GrantedProxies() {
  granting = before_;
  for (const ObjectId id : ids_) store_->release(id, 1);
}

std::shared_ptr<Reference> GrantedProxies::claim(ObjectId id) {
  if (store_ == nullptr) {
    const auto served = std::ranges::find_if(served_, [&](const auto& each) { return each->id == id; });
    return served == served_.end() ? nullptr : std::make_shared<Reference>(server_, *served);
  }
  const auto granted = std::ranges::find(ids_, id);
  if (granted == ids_.end()) return nullptr;
  auto reference = std::make_shared<Reference>(store_, id);
  ids_.erase(granted);
  return reference;
}

ElementFrame::ElementFrame(Writer& writer, const ServerId& server)
    : writer_(writer), begin_(writer.size()), fds_(writer.fds().size()), noted_(server) {
  writer_.raw(ElementHeader{});
}

namespace {

ElementHeader header_of(std::size_t size, std::size_t fds, std::size_t objects) {
  if (size > std::numeric_limits<std::uint32_t>::max()) throw EncodingError("An element of a managed object has at most 4 GiB.");
  if (fds > std::numeric_limits<std::uint16_t>::max() || objects > std::numeric_limits<std::uint16_t>::max()) {
    throw EncodingError("An element of a managed object has at most 65535 descriptors and as many proxies.");
  }
  return {static_cast<std::uint32_t>(size), static_cast<std::uint16_t>(fds), static_cast<std::uint16_t>(objects)};
}

}  // namespace

void ElementFrame::close() {
  const auto header = header_of(writer_.size() - begin_ - sizeof(ElementHeader), writer_.fds().size() - fds_, noted_.ids.size());
  std::memcpy(writer_.at(begin_), &header, sizeof header);
  for (const ObjectId id : noted_.ids) writer_.raw(id);
}

Reply::Reply(std::shared_ptr<ObjectStore> store, Message message)
    : store_(std::move(store)), message_(std::move(message)), reader_(message_) {
  const auto outcome = reader_.raw<Outcome>();
  if (outcome == Outcome::done) return;
  done_ = false;
  if (outcome == Outcome::nothing) return;
  if (outcome == Outcome::thrown) std::rethrow_exception(decode_exception(reader_));
  const std::size_t size = reader_.remaining();
  const std::string sentence(reinterpret_cast<const char*>(reader_.take(size)), size);
  switch (outcome) {
    case Outcome::usage_error:
      throw UsageError(sentence);
    case Outcome::invalid_argument:
      throw std::invalid_argument(sentence);
    case Outcome::out_of_range:
      throw std::out_of_range(sentence);
    case Outcome::overflow_error:
      throw std::overflow_error(sentence);
    case Outcome::broken_barrier:
      throw BrokenBarrier(sentence);
    case Outcome::shut_down:
      throw ShutDown(sentence);
    case Outcome::encoding_error:
      throw EncodingError(sentence);
    default:
      throw Error(sentence);
  }
}

Reply::Piece Reply::next() {
  const auto header = reader_.raw<ElementHeader>();
  Piece piece;
  piece.bytes = {reader_.take(header.size), header.size};
  for (unsigned i = 0; i < header.objects; ++i) piece.objects.push_back(reader_.raw<ObjectId>());
  for (unsigned i = 0; i < header.fds; ++i) piece.fds.push_back(reader_.fd());
  return piece;
}

Request::Request(const Reference& to, Op op, Deadline deadline) : Request((to.store(), to.shared_store()), op, to.id(), deadline) {}

Request::Request(std::shared_ptr<ObjectStore> store, Op op, ObjectId id, Deadline deadline) : store_(std::move(store)), writer_(scratch_) {
  RequestHeader header{.op = op, .thread = this_thread(), .object = id};
  if (!deadline.is_never()) header.patience = std::max<std::int64_t>(deadline.remaining().count(), 0);
  writer_.raw(header);
}

// --- on the server -------------------------------------------------------------------------------------------------------

std::vector<Fd> fds_of(const Element& element) {
  std::vector<Fd> fds;
  if (element.baggage == nullptr) return fds;
  for (const Fd& fd : element.baggage->fds) fds.push_back(fd.duplicate());
  return fds;
}

std::span<const std::shared_ptr<Served>> objects_of(const Element& element) noexcept {
  if (element.baggage == nullptr) return {};
  return element.baggage->objects;
}

const ServerId& server_here() {
  if (serving == nullptr) throw UsageError("This runs on a manager's server only.");
  return *serving;
}

bool is_server_here(const ServerId& server) noexcept { return serving != nullptr && *serving == server; }

ServerHere::ServerHere(const ServerId& server) noexcept : before_(std::exchange(serving, &server)) {}
ServerHere::~ServerHere() { serving = before_; }

Element close_element(Writer& writer, NotedProxies& noted) {
  if (!noted.ids.empty()) throw UsageError("An operation on a manager's server returned a proxy that is not the server's own.");
  header_of(writer.size(), writer.fds().size(), noted.served.size());
  Element element;
  element.bytes.assign(reinterpret_cast<const char*>(writer.view().data()), writer.size());
  if (!writer.fds().empty() || !noted.served.empty()) {
    element.baggage = std::make_unique<Element::Baggage>();
    element.baggage->fds = std::move(writer.fds());
    element.baggage->objects = std::move(noted.served);
  }
  return element;
}

}  // namespace ipc::detail
