#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/codec.hpp>
#include <ipc/detail/connection_core.hpp>
#include <ipc/detail/deadline.hpp>
#include <ipc/detail/message.hpp>
#include <ipc/detail/served.hpp>
#include <ipc/detail/writer.hpp>

namespace ipc::detail {

/// Where objects live, as proxies see it: a manager's server on this machine or another, or whatever else takes the requests
/// of served.hpp and gives their answers. `Manager::over` makes a manager of any. Any thread may call anything, and while one's
/// call waits, those of others go on. What is promised beyond the comments is in tests/conformance/object_store_test.cpp, which
/// runs over every store that there is.
class ObjectStore : public std::enable_shared_from_this<ObjectStore> {
 public:
  ObjectStore() = default;
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;
  virtual ~ObjectStore() = default;

  /// Sends a request and waits for its answer, which may take as long as the request says. One step, as others see it. Throws
  /// `ManagerLost` when the objects are gone, also while it waits.
  virtual Message call(Writer& request) = 0;
  /// This process has so many references fewer. Comes before calls that are made after it.
  virtual void release(ObjectId id, std::uint32_t count) noexcept = 0;
  /// Writes what another process needs to get a reference, and keeps the object alive until it has, or until the message is
  /// thrown away. Throws `UsageError` where objects cannot be used by other processes.
  virtual void encode(ObjectId id, Writer& writer) = 0;
  /// A connection on which something comes when `Op::wait` of the object would be answered, or the objects are gone. Throws
  /// `UsageError` where there is no such thing.
  virtual std::unique_ptr<ConnectionCore> watch(ObjectId id);
  /// Which one it is: no two are alike.
  virtual const ServerId& server() const noexcept = 0;
  /// For people, and for `Manager::connect`.
  virtual const std::string& address() const noexcept = 0;
  /// Returns when the objects are gone.
  virtual void wait_for_end() noexcept = 0;
};

/// One reference of this process to an object: the object lives as long.
class Reference {
 public:
  Reference(std::shared_ptr<ObjectStore> store, ObjectId id) noexcept : store_(std::move(store)), id_(id) {}
  /// On the server itself.
  Reference(const ServerId& server, std::shared_ptr<Served> served) noexcept
      : id_(served->id), server_(server), served_(std::move(served)) {}
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference();

  ObjectId id() const noexcept { return id_; }
  const ServerId& server() const noexcept { return store_ != nullptr ? store_->server() : server_; }
  /// Throws `UsageError` on the server, which would wait for itself.
  ObjectStore& store() const;
  const std::shared_ptr<Served>& served() const noexcept { return served_; }
  std::shared_ptr<ObjectStore> shared_store() const noexcept { return store_; }

 private:
  std::shared_ptr<ObjectStore> store_;
  ObjectId id_;
  ServerId server_{};
  std::shared_ptr<Served> served_;
};

/// What all proxies are: a kind, a type and a reference. Copies refer to the same object, as does what another process
/// receives. Any thread may use one at the same time as others.
class ProxyBase {
 public:
  /// Whether both name the same object.
  friend bool operator==(const ProxyBase& a, const ProxyBase& b) noexcept {
    return a.reference_->id() == b.reference_->id() && a.reference_->server() == b.reference_->server();
  }
  void ipc_encode(Writer& writer) const;
  const Reference& reference() const noexcept { return *reference_; }
  const std::shared_ptr<Reference>& shared_reference() const noexcept { return reference_; }
  ServedKind kind() const noexcept { return kind_; }

 protected:
  ProxyBase(ServedKind kind, std::uint64_t tag, std::shared_ptr<Reference> reference) noexcept
      : kind_(kind), tag_(tag), reference_(std::move(reference)) {}
  /// Throws `EncodingError` when it is a proxy of something else.
  ProxyBase(ServedKind kind, std::uint64_t tag, Reader& reader);

 private:
  ServedKind kind_;
  std::uint64_t tag_;
  std::shared_ptr<Reference> reference_;
};

using References = std::vector<std::shared_ptr<Reference>>;

/// While it lives, proxies of the server's objects that this thread encodes are noted in it instead of getting ready for a
/// journey: the message goes to the server itself, or comes from there.
class NotedProxies {
 public:
  /// Of what is written to `to` alone, if that is not null.
  explicit NotedProxies(const ServerId& server, const Writer* to = nullptr) noexcept;
  NotedProxies(const NotedProxies&) = delete;
  NotedProxies& operator=(const NotedProxies&) = delete;
  ~NotedProxies();
  References references;
  const ServerId& server;
  const Writer* const to;

 private:
  NotedProxies* before_;
};

/// While it lives, proxies that this thread decodes get the references that came with the message. What is not claimed is
/// given back at the end.
class GrantedProxies {
 public:
  GrantedProxies(const ServerId& server, References references) noexcept;
  GrantedProxies(const GrantedProxies&) = delete;
  GrantedProxies& operator=(const GrantedProxies&) = delete;
  ~GrantedProxies();
  const ServerId& server() const noexcept { return server_; }
  /// Null when it has none for this object.
  std::shared_ptr<Reference> claim(ObjectId id);

 private:
  ServerId server_;
  References references_;
  GrantedProxies* before_;
};

/// Writes one element of a request: what stands around the value.
class ElementFrame {
 public:
  ElementFrame(Writer& writer, const ServerId& server);
  /// The value has a proxy of this.
  void note(std::shared_ptr<Reference> reference) { noted_.references.push_back(std::move(reference)); }
  /// After the value.
  void close();

 private:
  Writer& writer_;
  std::size_t begin_;
  std::size_t fds_;
  NotedProxies noted_;
};

/// For whoever decodes the same message again and again.
std::vector<Fd> duplicates(const std::vector<Fd>& fds);

/// What an answer that is not `done` tells; `in` is behind its first byte. Not of `nothing`.
std::exception_ptr exception_of(Outcome outcome, Reader& in);

/// What a server answered.
class Reply {
 public:
  /// Throws what the server says was thrown.
  Reply(std::shared_ptr<ObjectStore> store, Message message);
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  /// False: not in time, not there.
  bool done() const noexcept { return done_; }
  Reader& in() noexcept { return reader_; }
  /// What `decode(reader)` makes of the next element.
  template <class Decode>
  auto take_by(Decode decode) {
    Piece piece = next();
    const GrantedProxies granted(store_->server(), std::move(piece.references));
    Reader reader(piece.bytes, piece.fds);
    return decode(reader);
  }
  /// The next element.
  template <class T>
  T take() {
    return take_by([](Reader& reader) { return decode_all<T>(reader); });
  }
  template <class T>
  std::vector<T> take_all() {
    std::vector<T> all;
    while (!reader_.at_end()) all.push_back(take<T>());
    return all;
  }

  struct Piece {
    std::span<const std::byte> bytes;
    std::vector<Fd> fds;
    References references;
  };
  /// As it came, for who passes it on.
  Piece next();

 private:
  void take_grants();

  std::shared_ptr<ObjectStore> store_;
  Message message_;
  References granted_;  // That come with it; those that nobody takes are given back at the end.
  std::size_t taken_ = 0;
  Reader reader_;
  bool done_ = true;
};

/// What is asked of an object.
class Request {
 public:
  Request(const Reference& to, Op op, Deadline deadline = Deadline::never());
  Request(std::shared_ptr<ObjectStore> store, Op op, ObjectId id, Deadline deadline = Deadline::never());
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  template <class T>
  Request& raw(const T& value) {
    writer_.raw(value);
    return *this;
  }
  Writer& writer() noexcept { return writer_; }
  /// Should there be nothing, that is no error.
  Request& may_miss() {
    *writer_.at(offsetof(RequestHeader, may_miss)) = std::byte{1};
    return *this;
  }
  /// An element: what `write(writer)` writes.
  template <class Write>
  Request& put_by(Write write) {
    ElementFrame frame(writer_, store_->server());
    write(writer_);
    frame.close();
    return *this;
  }
  template <class T>
  Request& put(T&& value) {
    return put_by([&](Writer& writer) { encode(writer, std::forward<T>(value)); });
  }
  /// The elements of a range, as Ts.
  template <class T, class Range>
  Request& put_all(Range&& range) {
    for (auto&& element : range) put_from<Range, T>(element);
    return *this;
  }
  /// An element of a range, or a part of one, as a T. Those of a container that the caller gives up are given up; those that a view
  /// looks at are not.
  template <class Range, class T, class Part>
  Request& put_from(Part& part) {
    constexpr bool given_up = !std::is_lvalue_reference_v<Range> && !std::ranges::view<std::remove_cvref_t<Range>>;
    if constexpr (given_up && std::is_same_v<Part, T>)
      return put(std::move(part));
    else
      return put(static_cast<const T&>(part));
  }
  /// One that somebody else has encoded.
  Request& put_encoded(const Message& message, const References& references = {});
  template <class F>
  Request& put_callable(const F& f) {
    return put_by([&](Writer& writer) { encode_callable(writer, f); });
  }
  /// Should somebody hold the object's own lock, `send` waits for that, and asks again as its holder.
  Request& may_be_locked() {
    may_be_locked_ = true;
    return *this;
  }
  Reply send();

 private:
  std::array<std::byte, 512> scratch_;
  std::shared_ptr<ObjectStore> store_;
  Writer writer_;
  bool may_be_locked_ = false;
};

}  // namespace ipc::detail
