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

#include "ipc/base/scope_exit.hpp"
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

std::unique_ptr<ConnectionCore> ObjectStore::watch(ObjectId /*id*/) {
  throw UsageError("Objects of this store cannot be waited for together with other things.");
}

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
  if (noting != nullptr && noting->server == header.server && (noting->to == nullptr || noting->to == &writer)) {
    writer.raw(header);
    noting->references.push_back(reference_);
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

NotedProxies::NotedProxies(const ServerId& of, const Writer* in) noexcept : server(of), to(in), before_(std::exchange(noting, this)) {}
NotedProxies::~NotedProxies() { noting = before_; }

GrantedProxies::GrantedProxies(const ServerId& server, References references) noexcept
    : server_(server), references_(std::move(references)), before_(std::exchange(granting, this)) {}
GrantedProxies::~GrantedProxies() { granting = before_; }

std::shared_ptr<Reference> GrantedProxies::claim(ObjectId id) {
  const auto granted = std::ranges::find_if(references_, [&](const auto& reference) { return reference->id() == id; });
  if (granted == references_.end()) return nullptr;
  auto reference = std::move(*granted);
  references_.erase(granted);
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
  const auto header = header_of(writer_.size() - begin_ - sizeof(ElementHeader), writer_.fds().size() - fds_, noted_.references.size());
  std::memcpy(writer_.at(begin_), &header, sizeof header);
  for (const auto& reference : noted_.references) writer_.raw(reference->id());
}

std::vector<Fd> duplicates(const std::vector<Fd>& fds) {
  std::vector<Fd> all;
  all.reserve(fds.size());
  for (const Fd& fd : fds) all.push_back(fd.duplicate());
  return all;
}

std::exception_ptr exception_of(Outcome outcome, Reader& in) {
  if (outcome == Outcome::thrown) return decode_exception(in);
  const auto pid = outcome == Outcome::worker_lost ? in.raw<std::int32_t>() : 0;
  const auto exitcode = outcome == Outcome::worker_lost ? in.raw<std::int32_t>() : 0;
  const std::size_t size = in.remaining();
  const std::string sentence(reinterpret_cast<const char*>(in.take(size)), size);
  switch (outcome) {
    case Outcome::usage_error:
      return std::make_exception_ptr(UsageError(sentence));
    case Outcome::broken_barrier:
      return std::make_exception_ptr(BrokenBarrier(sentence));
    case Outcome::shut_down:
      return std::make_exception_ptr(ShutDown(sentence));
    case Outcome::encoding_error:
      return std::make_exception_ptr(EncodingError(sentence));
    case Outcome::timeout_error:
      return std::make_exception_ptr(TimeoutError(sentence));
    case Outcome::worker_lost:
      return std::make_exception_ptr(WorkerLost(sentence, pid, exitcode));
    case Outcome::task_timeout:
      return std::make_exception_ptr(TaskTimeout(sentence));
    case Outcome::cancelled:
      return std::make_exception_ptr(Cancelled(sentence));
    case Outcome::pool_terminated:
      return std::make_exception_ptr(PoolTerminated(sentence));
    default:
      return std::make_exception_ptr(Error("The manager could not do it, and had no memory left to say why."));
  }
}

Reply::Reply(std::shared_ptr<ObjectStore> store, Message message)
    : store_(std::move(store)), message_(std::move(message)), reader_(message_) {
  auto outcome = reader_.raw<Outcome>();
  if (outcome == Outcome::done_granting) {
    outcome = Outcome::done;
    take_grants();
  }
  done_ = outcome == Outcome::done;
  if (!done_ && outcome != Outcome::nothing) std::rethrow_exception(exception_of(outcome, reader_));
}

void Reply::take_grants() {
  const std::span<const std::byte> all(message_.bytes);
  std::uint32_t count = 0;
  if (reader_.remaining() < sizeof count) throw EncodingError("A manager's answer is shorter than it says.");
  std::memcpy(&count, all.last(sizeof count).data(), sizeof count);
  const auto rest = all.first(all.size() - sizeof count);
  if ((rest.size() - 1) / sizeof(ObjectId) < count) throw EncodingError("A manager's answer is shorter than it says.");
  Reader ids(rest.last(count * sizeof(ObjectId)));
  granted_.reserve(count);
  while (!ids.at_end()) granted_.push_back(std::make_shared<Reference>(store_, ids.raw<ObjectId>()));
  reader_ = Reader(rest.subspan(1, rest.size() - 1 - count * sizeof(ObjectId)), message_.fds);
}

Reply::Piece Reply::next() {
  const auto header = reader_.raw<ElementHeader>();
  Piece piece;
  piece.bytes = {reader_.take(header.size), header.size};
  for (unsigned i = 0; i < header.objects; ++i) {
    const auto id = reader_.raw<ObjectId>();
    if (taken_ == granted_.size() || granted_[taken_]->id() != id)
      throw EncodingError("A manager's answer has a proxy without its object.");
    piece.references.push_back(std::move(granted_[taken_++]));
  }
  for (unsigned i = 0; i < header.fds; ++i) piece.fds.push_back(reader_.fd());
  return piece;
}

Request::Request(const Reference& to, Op op, Deadline deadline) : Request((to.store(), to.shared_store()), op, to.id(), deadline) {}

Request::Request(std::shared_ptr<ObjectStore> store, Op op, ObjectId id, Deadline deadline) : store_(std::move(store)), writer_(scratch_) {
  RequestHeader header{.op = op, .thread = this_thread(), .object = id};
  if (!deadline.is_never()) header.patience = std::max<std::int64_t>(deadline.remaining().count(), 0);
  writer_.raw(header);
}

Request& Request::put_encoded(const Message& message, const References& references) {
  ElementFrame frame(writer_, store_->server());
  writer_.bytes(message.bytes.data(), message.bytes.size());
  for (const Fd& fd : message.fds) writer_.fd(fd.duplicate());
  for (const auto& reference : references) frame.note(reference);
  frame.close();
  return *this;
}

Reply Request::send() {
  if (!may_be_locked_) return Reply(store_, store_->call(writer_));
  std::vector<Fd> fds = duplicates(writer_.fds());
  Message answer = store_->call(writer_);
  Reader in(answer.bytes);
  if (in.raw<Outcome>() != Outcome::locked) return Reply(store_, std::move(answer));
  const Reference lock(store_, in.raw<ObjectId>());
  Request(lock, Op::lock).send();
  const base::ScopeExit unlock([&] {
    try {
      Request(lock, Op::unlock).send();
    } catch (const std::exception&) {  // The manager is lost, and its locks are.
    }
  });
  writer_.fds() = std::move(fds);
  return Reply(store_, store_->call(writer_));
}

// --- on the server -------------------------------------------------------------------------------------------------------

std::vector<Fd> fds_of(const Element& element) {
  if (element.baggage == nullptr) return {};
  return duplicates(element.baggage->fds);
}

References references_of(const Element& element) {
  References references;
  if (element.baggage == nullptr) return references;
  for (const auto& object : element.baggage->objects) references.push_back(std::make_shared<Reference>(server_here(), object));
  return references;
}

const ServerId& server_here() {
  if (serving == nullptr) throw UsageError("This runs on a manager's server only.");
  return *serving;
}

bool is_server_here(const ServerId& server) noexcept { return serving != nullptr && *serving == server; }

ServerHere::ServerHere(const ServerId& server) noexcept : before_(std::exchange(serving, &server)) {}
ServerHere::~ServerHere() { serving = before_; }

Element close_element(Writer& writer, NotedProxies& noted) {
  header_of(writer.size(), writer.fds().size(), noted.references.size());
  Element element;
  element.bytes.assign(reinterpret_cast<const char*>(writer.view().data()), writer.size());
  if (writer.fds().empty() && noted.references.empty()) return element;
  element.baggage = std::make_unique<Element::Baggage>();
  element.baggage->fds = std::move(writer.fds());
  for (const auto& reference : noted.references) {
    if (reference->served() == nullptr)
      throw UsageError("An operation on a manager's server returned a proxy that is not the server's own.");
    element.baggage->objects.push_back(reference->served());
  }
  return element;
}

}  // namespace ipc::detail
