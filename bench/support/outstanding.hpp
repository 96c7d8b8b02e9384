#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ipc/detail/connection_core.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/served.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/dict_proxy.hpp>

#include "bench/support/table.hpp"
#include "ipc/manager/greeting.hpp"
#include "ipc/os/random.hpp"
#include "ipc/transport/client.hpp"
#include "ipc/transport/socket_connection.hpp"

namespace ipc::bench {

/// Clients of a manager's server that get an item of a dict, as the server sees them when each has a processor of its own: while
/// one takes its answer, those of the others are under way. They are one thread's, which looks after them in turns and
/// does little else: no process has to be woken.
class Outstanding {
 public:
  Outstanding(int clients, const std::string& address, const DictProxy<std::string, int>& dict, const std::string& key) {
    request_.raw(detail::RequestHeader{.op = detail::Op::get, .object = dict.reference().id()});
    detail::put_key(request_, key);
    for (int i = 0; i < clients; ++i) clients_.push_back(connect(address, dict.reference().id()));
  }
  /// For each request, where every client makes so many.
  double seconds(int count) {
    for (const Client& client : clients_) ask(*client.rings);
    const double all = time_each(count, [&] {
      for (const Client& client : clients_) {
        take(*client.rings);
        ask(*client.rings);
      }
    });
    for (const Client& client : clients_) take(*client.rings);
    return all / static_cast<double>(clients_.size());
  }

 private:
  using Core = std::unique_ptr<detail::ConnectionCore>;
  struct Client {
    Core socket;  // The connection lives as long.
    Core rings;
  };

  static Client connect(const std::string& address, detail::ObjectId object) {
    Client client{std::make_unique<transport::SocketConnection>(transport::connect_client(address, {})), nullptr};
    manager::Greeting greeting{.lease = object};
    os::fill_random(greeting.session);
    detail::Writer hello;
    hello.raw(detail::RequestHeader{.op = detail::Op::hello});
    hello.raw(greeting);
    client.socket->send_bytes(hello.view());
    client.socket->receive(detail::ConnectionCore::any_size, {});
    client.socket->release();
    detail::Writer rings;
    rings.raw(detail::RequestHeader{.op = detail::Op::rings});
    client.socket->send_bytes(rings.view());
    const auto answer = client.socket->receive(detail::ConnectionCore::any_size, {});
    detail::Reader reader(answer.bytes, answer.fds);
    reader.raw<detail::Outcome>();
    client.rings = detail::decode_connection(reader);
    client.socket->release();
    return client;
  }
  void ask(detail::ConnectionCore& rings) const { rings.send_bytes(request_.view()); }
  static void take(detail::ConnectionCore& rings) {
    rings.receive(detail::ConnectionCore::any_size, {});
    rings.release();
  }

  detail::Writer request_;
  std::vector<Client> clients_;
};

}  // namespace ipc::bench
