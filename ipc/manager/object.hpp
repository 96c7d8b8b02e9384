#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/deadline.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/served.hpp>

#include "ipc/manager/answer.hpp"

namespace ipc::manager {

using detail::Element;
using detail::Op;
using detail::Outcome;
using Time = detail::Deadline::Clock::time_point;

class Machine;
class Object;
struct Peer;
struct Session;

/// A thread of a client: who holds locks and waits.
struct Owner {
  std::uint64_t session = 0;
  std::uint32_t thread = 0;
  friend bool operator==(const Owner&, const Owner&) = default;
};

struct Waiter;
/// Those who wait for the same, first come, first served.
using WaitQueue = std::list<Waiter*>;

/// A call that waits. It belongs to its connection, which has no other, and keeps the object alive.
struct Waiter {
  Peer* peer = nullptr;
  Owner owner;
  Op op = Op::wait;
  std::shared_ptr<Object> object;
  std::optional<Time> deadline;
  WaitQueue* queue = nullptr;
  WaitQueue::iterator place;
  // For the object that it waits for.
  std::vector<Element> items;
  std::size_t amount = 0;
  bool flag = false;

  /// To the end of another queue.
  void line_up(WaitQueue& in) {
    leave();
    queue = &in;
    place = in.insert(in.end(), this);
  }
  void leave() noexcept {
    if (queue != nullptr) queue->erase(place);
    queue = nullptr;
  }
};

/// One call, while it is performed.
class Call {
 public:
  Call(Machine& of, Peer& by, const detail::RequestHeader& header, Owner who, detail::Reader& request, Answer& answer)
      : machine(of),
        peer(by),
        op(header.op),
        owner(who),
        patience(header.patience),
        may_miss(header.may_miss != 0),
        in(request),
        out(answer) {}

  Machine& machine;
  Peer& peer;
  const Op op;
  const Owner owner;
  std::int64_t patience;  ///< Nanoseconds; negative: without end.
  const bool may_miss;    ///< What is not there is no error, but `nothing`.
  detail::Reader& in;
  Answer& out;
  /// Who performs it.
  std::shared_ptr<Object> object = nullptr;
  bool waiting = false;

  /// The next element of the request. Throws `EncodingError`, also for objects that the client has no reference to.
  Element take();
  std::vector<Element> take_all();
  /// There is no answer yet: the call waits in the queue as long as its patience lasts. Only if `patient()`.
  Waiter& wait_in(WaitQueue& queue);
  bool patient() const noexcept { return patience != 0; }
  /// Reads the operation and its arguments, runs it, and writes what it gives.
  void run(detail::TypedCall& operation);
  detail::TypedOperation take_operation(detail::TypedCall& arguments);
};

/// Runs code of a client's: what it throws goes to whoever asked for it, as thrown there.
void run_operation(detail::TypedOperation operation, detail::TypedCall& call);

/// An object as the server has it. One thread.
class Object : public detail::Served, public std::enable_shared_from_this<Object> {
 public:
  explicit Object(detail::ServedKind kind) noexcept : kind_(kind) {}
  ~Object() override;
  /// Answers the call, or has it wait. Throws what the client is to get; nothing has changed then.
  virtual void perform(Call& call) = 0;
  /// A call's time is over: it is answered, or goes on to wait for something else.
  virtual void give_up(Waiter& waiter, Machine& machine);
  /// The client of a call that waited has gone; the call has left its queue.
  virtual void forget(const Waiter& waiter, Machine& machine);
  /// A client has gone that held something of this (see `Session::held`).
  virtual void client_gone(std::uint64_t session, Machine& machine);
  detail::ServedKind kind() const noexcept { return kind_; }
  /// The register in which it stands until its end.
  void belong_to(Machine& machine) noexcept { machine_ = &machine; }

 protected:
  [[noreturn]] void fail_operation() const;
  Machine& home() const noexcept { return *machine_; }

 private:
  detail::ServedKind kind_;
  Machine* machine_ = nullptr;
};

/// A new object of the kind, made from the rest of the request.
std::shared_ptr<Object> make_object(detail::ServedKind kind, Call& call);

/// The place that a signed index means. Throws `std::out_of_range`.
std::size_t place_of(std::int64_t index, std::size_t size, const char* what);

}  // namespace ipc::manager
