#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ipc/detail/reference.hpp>
#include <ipc/error.hpp>

#include "ipc/manager/greeting.hpp"
#include "ipc/manager/machine.hpp"
#include "ipc/os/random.hpp"

namespace ipc::test {

/// A store without a server: the machine itself, in this process, under a lock. The simplest one that there can be.
class MachineStore final : public detail::ObjectStore, private manager::Outlet {
 public:
  MachineStore() {
    os::fill_random(id_);
    os::fill_random(session_);
  }

  detail::Message call(detail::Writer& request) override {
    std::unique_lock lock(mutex_);
    const auto connection = borrow();
    ask(connection, request);
    while (!ended_ && !answers_.contains(connection)) {
      const auto next = machine_.next_deadline();
      if (next)
        changed_.wait_until(lock, *next);
      else
        changed_.wait(lock);
      machine_.expire(detail::Deadline::Clock::now());
    }
    if (!answers_.contains(connection)) fail_lost();
    idle_.push_back(connection);
    return std::move(answers_.extract(connection).mapped());
  }
  void release(detail::ObjectId id, std::uint32_t count) noexcept override {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    const auto connection = borrow();
    detail::Writer request;
    request.raw(detail::RequestHeader{.op = detail::Op::release, .object = id});
    request.raw(count);
    ask(connection, request);
    idle_.push_back(connection);
  }
  void encode(detail::ObjectId /*id*/, detail::Writer& /*writer*/) override {
    throw UsageError("The objects of this store cannot be used by other processes.");
  }
  const detail::ServerId& server() const noexcept override { return id_; }
  const std::string& address() const noexcept override { return address_; }
  void wait_for_end() noexcept override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
  }

 private:
  [[noreturn]] static void fail_lost() { throw ManagerLost("The store has been shut down."); }
  void send(manager::ConnectionId to, detail::Writer& answer) override {
    answers_[to] = answer.take();
    changed_.notify_all();
  }
  manager::Time time() const override { return detail::Deadline::Clock::now(); }
  manager::ConnectionId borrow() {
    if (ended_) fail_lost();
    if (!idle_.empty()) {
      const auto connection = idle_.back();
      idle_.pop_back();
      return connection;
    }
    const auto connection = ++last_;
    detail::Writer hello;
    hello.raw(detail::RequestHeader{.op = detail::Op::hello});
    hello.raw(manager::Greeting{.session = session_});
    machine_.connect(connection);
    ask(connection, hello);
    answers_.erase(connection);
    return connection;
  }
  void ask(manager::ConnectionId connection, detail::Writer& request) {
    if (!machine_.receive(connection, request.view(), request.fds())) throw std::logic_error("a request that the machine does not take");
    if (!machine_.shut_down()) return;
    ended_ = true;
    changed_.notify_all();
  }

  const std::string address_ = "this process";
  detail::ServerId id_{};
  detail::ServerId session_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<manager::ConnectionId, detail::Message> answers_;
  std::vector<manager::ConnectionId> idle_;
  manager::ConnectionId last_ = 0;
  bool ended_ = false;
  manager::Machine machine_{id_, *this};
};

}  // namespace ipc::test
