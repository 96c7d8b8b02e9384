#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/pool_request.hpp>

#include "ipc/manager/object.hpp"
#include "ipc/manager/queue_object.hpp"

namespace ipc::manager {

class Desk;

/// The outcome, some time, of a call: one task or many. It lives as long as anybody refers to it or, until it is ready, the
/// client that made the call lives.
class Result final : public Object {
 public:
  Result(std::shared_ptr<Desk> desk, std::uint64_t session, detail::ResultStyle style);
  ~Result() override;
  void perform(Call& call) override;
  /// Answers with the outcome, or has the call wait for it.
  void get(Call& call);
  /// One more task, by its ticket; tells its index.
  std::uint64_t add(std::uint64_t ticket);
  void succeed(std::uint64_t index, Element value, Machine& machine);
  /// `error` as `write_error` writes it.
  void fail(std::uint64_t index, const Bytes& error, Machine& machine);
  std::uint64_t session() const noexcept { return session_; }
  bool ready() const noexcept { return unfinished_ == 0; }

 private:
  /// What goes into which queue when the result is ready.
  struct Notice {
    std::weak_ptr<Queue> queue;
    Element item;
  };
  struct Slot {
    std::uint64_t ticket = 0;
    Element value;
    Bytes error;
    bool done = false;
    bool taken = false;
  };
  Slot& at(std::uint64_t index) { return slots_[static_cast<std::size_t>(index - first_)]; }
  void settled(std::uint64_t index, Machine& machine);
  void announce(Call& call);
  void cancel(Call& call);
  void write(Answer& out) const;
  /// Of a stream: which one is next, if it is there.
  std::optional<std::uint64_t> next(bool in_order) const;
  void write_next(Answer& out, std::uint64_t index);
  void serve(Machine& machine);

  std::shared_ptr<Desk> desk_;
  const std::uint64_t session_;
  const detail::ResultStyle style_;
  std::deque<Slot> slots_;
  std::uint64_t first_ = 0;  // Of `slots_`: those before are done with.
  std::size_t unfinished_ = 0;
  std::uint64_t done_ = 0;
  bool cancelled_ = false;
  Bytes error_;                        // The first to come.
  std::deque<std::uint64_t> arrived_;  // Of a stream, in the order in which they came.
  WaitQueue waiters_;
  std::vector<Notice> notices_;
};

}  // namespace ipc::manager
