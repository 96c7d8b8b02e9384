// libFuzzer: requests to a manager's server, as they come from clients that got in; one of them may be the process that runs a
// pool, since its desk is an object as others. The first byte of each piece says which client speaks, and how its request is
// written, or that one goes, time passes or a pool's process ends; the next how long the rest is. Whatever they ask, a client
// has at most one call that is not answered, and every answer is one.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include <ipc/detail/served.hpp>

#include "ipc/manager/machine.hpp"
#include "tests/support/requests.hpp"

namespace {

using ipc::detail::ObjectId;
using ipc::detail::Op;
using ipc::detail::Outcome;
using ipc::detail::RequestHeader;
using ipc::manager::ConnectionId;
using ipc::manager::Machine;

constexpr std::size_t clients = 3;

class Answers : public ipc::manager::Outlet {
 public:
  void send(ConnectionId to, ipc::detail::Writer& answer) override {
    if (answer.size() == 0 || !asked.at(to)) std::abort();
    asked.at(to) = false;
    const auto bytes = answer.view();
    const auto outcome = static_cast<Outcome>(bytes[0]);
    if (outcome >= Outcome::count) std::abort();
    if (outcome != Outcome::done_granting) return;
    std::uint32_t granted = 0;
    if (bytes.size() < 1 + sizeof granted) std::abort();
    std::memcpy(&granted, bytes.last(sizeof granted).data(), sizeof granted);
    if (granted == 0 || (bytes.size() - 1 - sizeof granted) / sizeof(ObjectId) < granted) std::abort();
  }
  void start_keeper(ObjectId /*desk*/, ipc::detail::Writer& /*letter*/) override {}
  ipc::manager::Time time() const override { return now; }
  std::array<bool, clients> asked{};
  ipc::manager::Time now{};
};

struct Session {
  ipc::detail::ServerId id{};
  Answers answers;
  Machine machine{id, answers};

  void connect(ConnectionId client) {
    machine.connect(client);
    answers.asked.at(client) = true;
    if (!machine.receive(client, ipc::test::bytes_in(ipc::test::hello(client + 1)), {})) std::abort();
  }
  void disconnect(ConnectionId client) {
    machine.disconnect(client);
    answers.asked.at(client) = false;
  }
  void ask(ConnectionId client, std::span<const std::byte> request) {
    const bool waited = answers.asked.at(client);
    RequestHeader header;
    if (request.size() >= sizeof header) std::memcpy(&header, request.data(), sizeof header);
    // Typed operations run code of the client's, which may do anything.
    if (header.op == Op::typed || (header.op == Op::create && request.size() > sizeof header &&
                                   request[sizeof header] == static_cast<std::byte>(ipc::detail::ServedKind::object))) {
      return;
    }
    if (header.op != Op::release) answers.asked.at(client) = true;
    const bool keeps = machine.receive(client, request, {});
    if (keeps && waited && header.op != Op::release) std::abort();
    if (!keeps) {
      disconnect(client);
      connect(client);
    }
  }
};

/// A header in four bytes, so that more of what is tried gets behind it.
std::string unfolded(std::span<const std::byte> request) {
  const auto number = [&](std::size_t i) { return std::to_integer<std::uint8_t>(request[i]); };
  RequestHeader header{.op = static_cast<Op>(number(0)), .thread = number(1) & 3U, .object = number(2)};
  header.may_miss = number(1) & 4U;
  header.patience = static_cast<std::int8_t>(number(3));
  const auto rest = request.subspan(4);
  return ipc::test::request(header, std::string(reinterpret_cast<const char*>(rest.data()), rest.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Session session;
  for (ConnectionId client = 0; client < clients; ++client) session.connect(client);
  std::span<const std::byte> rest = std::as_bytes(std::span(data, size));
  while (rest.size() >= 2) {
    const auto what = std::to_integer<unsigned>(rest[0]);
    const std::size_t length = std::min<std::size_t>(std::to_integer<unsigned>(rest[1]), rest.size() - 2);
    const auto request = rest.subspan(2, length);
    rest = rest.subspan(2 + length);
    const ConnectionId client = what % clients;
    if (what >= 0xf0) {
      session.disconnect(client);
      session.connect(client);
    } else if (what >= 0xe0) {
      session.answers.now += std::chrono::nanoseconds(length);
      session.machine.expire(session.answers.now);
    } else if (what >= 0xd8) {
      session.machine.keeper_ended(length);
    } else if (what >= 0x80 || length < 4) {
      session.ask(client, request);
    } else {
      const std::string whole = unfolded(request);
      session.ask(client, ipc::test::bytes_in(whole));
    }
  }
  for (ConnectionId client = 0; client < clients; ++client) session.disconnect(client);
  if (session.machine.next_deadline()) std::abort();
  return 0;
}
