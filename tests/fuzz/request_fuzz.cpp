// libFuzzer: requests to a manager's server, as they come from clients that got in. The first byte of each piece says which
// client speaks, or goes, or that time passes; the next how long its request is. Whatever they ask, a client has at most one
// call that is not answered, and when all have gone only what has a name is left.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include <ipc/detail/served.hpp>

#include "ipc/manager/greeting.hpp"
#include "ipc/manager/machine.hpp"

namespace {

using ipc::detail::Op;
using ipc::detail::RequestHeader;
using ipc::manager::ConnectionId;
using ipc::manager::Greeting;
using ipc::manager::Machine;

constexpr std::size_t clients = 3;

class Answers : public ipc::manager::Outlet {
 public:
  void send(ConnectionId to, ipc::detail::Writer& answer) override {
    if (answer.size() == 0 || !asked.at(to)) std::abort();
    asked.at(to) = false;
  }
  std::array<bool, clients> asked{};
};

struct Session {
  ipc::detail::ServerId id{};
  Answers answers;
  Machine machine{id, answers};
  ipc::manager::Time now{};

  void connect(ConnectionId client) {
    struct {
      RequestHeader header{.op = Op::hello};
      Greeting greeting;
    } hello;
    hello.greeting.session[0] = static_cast<std::byte>(client + 1);
    machine.connect(client);
    answers.asked.at(client) = true;
    if (!machine.receive(client, std::as_bytes(std::span(&hello, 1)), {}, now)) std::abort();
  }
  void disconnect(ConnectionId client) {
    machine.disconnect(client);
    answers.asked.at(client) = false;
  }
};

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
      continue;
    }
    if (what >= 0xe0) {
      session.now += std::chrono::nanoseconds(length);
      session.machine.expire(session.now);
      continue;
    }
    const bool waited = session.answers.asked.at(client);
    RequestHeader header;
    if (request.size() >= sizeof header) std::memcpy(&header, request.data(), sizeof header);
    // Typed operations run code of the client's, which may do anything.
    if (header.op == Op::typed || (header.op == Op::create && request.size() > sizeof header &&
                                   request[sizeof header] == static_cast<std::byte>(ipc::detail::ServedKind::object))) {
      continue;
    }
    if (header.op != Op::release) session.answers.asked.at(client) = true;
    const bool keeps = session.machine.receive(client, request, {}, session.now);
    if (keeps && waited && header.op != Op::release) std::abort();
    if (!keeps) {
      session.disconnect(client);
      session.connect(client);
    }
  }
  for (ConnectionId client = 0; client < clients; ++client) session.disconnect(client);
  if (session.machine.next_deadline()) std::abort();
  return 0;
}
