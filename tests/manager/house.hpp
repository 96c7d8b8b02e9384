#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <ipc/detail/served.hpp>
#include <ipc/fd.hpp>

#include "ipc/manager/machine.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/requests.hpp"

namespace ipc::test {

using detail::ObjectId;
using detail::Op;
using detail::Outcome;
using detail::RequestHeader;
using detail::ServedKind;
using manager::ConnectionId;

/// A server without I/O and without a clock, and what it has answered.
class House : public manager::Outlet {
 public:
  void send(ConnectionId to, detail::Writer& answer) override {
    REQUIRE_FALSE(answers.contains(to));
    answers[to] = std::string(reinterpret_cast<const char*>(answer.view().data()), answer.size());
  }

  manager::Time time() const override { return now; }

  template <class... Parts>
  bool ask(ConnectionId from, const RequestHeader& header, const Parts&... parts) {
    return ask_with({}, from, header, parts...);
  }
  template <class... Parts>
  bool ask_with(std::span<Fd> fds, ConnectionId from, const RequestHeader& header, const Parts&... parts) {
    return machine.receive(from, bytes_in(request(header, parts...)), fds);
  }
  /// What a call gives that does not wait.
  template <class... Parts>
  std::string get(ConnectionId from, Op op, ObjectId object, const Parts&... parts) {
    REQUIRE(ask(from, {.op = op, .thread = 1, .object = object}, parts...));
    return take_done(from);
  }
  void greet(ConnectionId connection, std::uint64_t session) { greet(connection, greeting_of(session)); }
  void greet(ConnectionId connection, const manager::Greeting& greeting) {
    machine.connect(connection);
    REQUIRE(ask(connection, {.op = Op::hello}, greeting));
    take(connection);
  }
  template <class... Parts>
  ObjectId create(ConnectionId from, ServedKind kind, const std::string& name, const Parts&... parts) {
    const std::string answer = get(from, Op::create, 0, kind, std::uint64_t{0}, std::uint64_t{name.size()}, name, parts...);
    ObjectId id = 0;
    std::memcpy(&id, answer.data(), sizeof id);
    return id;
  }
  bool answered(ConnectionId connection) const { return answers.contains(connection); }
  Outcome outcome(ConnectionId connection) const { return static_cast<Outcome>(answers.at(connection).at(0)); }
  std::string take(ConnectionId connection) {
    REQUIRE(answered(connection));
    return answers.extract(connection).mapped();
  }
  /// What stands between the outcome and what is granted with it.
  std::string take_done(ConnectionId connection) {
    REQUIRE(answered(connection));
    const Outcome how = outcome(connection);
    std::string answer = take(connection);
    if (how == Outcome::done) return answer.substr(1);
    REQUIRE(how == Outcome::done_granting);
    std::uint32_t count = 0;
    std::memcpy(&count, answer.data() + answer.size() - sizeof count, sizeof count);
    return answer.substr(1, answer.size() - 1 - sizeof count - count * sizeof(ObjectId));
  }

  manager::Time now{};
  std::map<ConnectionId, std::string> answers;
  manager::Machine machine{detail::ServerId{}, *this};
};

}  // namespace ipc::test
