// Managers that speak TLS: who is let in, who is told why not, and that all works over it as it does without.
#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <ipc/error.hpp>
#include <ipc/listener.hpp>
#include <ipc/manager.hpp>
#include <ipc/process.hpp>
#include <ipc/queue.hpp>
#include <ipc/wait.hpp>

#include "tests/manager/certificates.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::AuthenticationError;
using ipc::Manager;
using ipc::test::Certificates;

constexpr const char* address = "tcp://127.0.0.1:0";

bool says(const std::string& sentence, const std::string& part) {
  UNSCOPED_INFO(sentence);
  return sentence.find(part) != std::string::npos;
}

bool is_hung_up(ipc::Connection& client) {
  try {
    for (;;) client.recv_bytes();
  } catch (const ipc::EndOfFile&) {
    return true;
  } catch (const ipc::EncodingError&) {
    return true;  // An alert of TLS.
  } catch (const std::system_error&) {
    return true;  // The same.
  }
}

/// What a stranger's process is told that connects: this one knows the server already.
std::string told(const std::string& to, const ipc::ManagerOptions& options) {
  const ipc::Queue<std::string> answers;
  ipc::Process stranger([&] {
    try {
      answers.put(Manager::connect(to, options).list<int>({1, 2}).size() == 2 ? "welcome" : "?");
    } catch (const AuthenticationError& error) {
      answers.put(error.what());
    }
  });
  stranger.start();
  return answers.get();
}

TEST_CASE("over TLS everything goes on as without: values of every size, waiting calls, children, proxies on their way") {
  const Certificates certificates;
  ipc::TlsOptions server = certificates.issue("server", "IP:127.0.0.1");
  server.ca = certificates.ca();
  const Manager m({.address = address, .authkey = "key", .tls = server});
  const auto list = m.list<std::string>();
  std::vector<std::string> values;
  for (const std::size_t size : {0U, 1U, 16383U, 16384U, 16385U, 300'000U, 5'000'000U}) values.emplace_back(size, 'x');
  for (const std::string& value : values) list.append(value);
  CHECK(list.to_vector() == values);
  const auto queue = m.Queue<int>();
  const ipc::Queue<ipc::QueueProxy<int>> way;
  ipc::Process child([&] {
    queue.put(queue.get() + 1);
    way.put(queue);
  });
  child.start();
  queue.put(41);
  child.join();
  CHECK(way.get().get() == 42);
  // Releases and the request behind them may come in one piece.
  for (int i = 0; i < 200; ++i) CHECK(m.list<int>({i}).get(0) == i);
  // Nothing that TLS itself says is taken for a result.
  const auto pool = m.Pool(1);
  const auto event = m.Event();
  const auto result = pool.apply_async([](const ipc::EventProxy& go) { go.wait(); }, event);
  CHECK(ipc::wait({result}, 20ms).empty());
  event.set();
  CHECK(ipc::wait({result}) == std::vector<std::size_t>{0});
  CHECK(result.successful());
}

TEST_CASE("a client checks the server's certificate, its host and its time") {
  const Certificates certificates;
  const Certificates others;
  const Manager good({.address = address, .authkey = "key", .tls = certificates.issue("good", "IP:127.0.0.1")});
  const ipc::TlsOptions trust{.ca = certificates.ca()};
  CHECK(told(good.address(), {.authkey = "key", .tls = trust}) == "welcome");
  CHECK(says(told(good.address(), {.authkey = "wrong", .tls = trust}), "key"));
  CHECK(says(told(good.address(), {.authkey = "key", .tls = {.ca = others.ca()}}), "certificate is not accepted"));
  CHECK(says(told(good.address(), {.authkey = "key", .tls = {.ca = certificates.ca(), .host = "elsewhere"}}), "mismatch"));
  const Manager elsewhere({.address = address, .authkey = "key", .tls = certificates.issue("elsewhere", "DNS:elsewhere")});
  CHECK(says(told(elsewhere.address(), {.authkey = "key", .tls = trust}), "mismatch"));
  CHECK(told(elsewhere.address(), {.authkey = "key", .tls = {.ca = certificates.ca(), .host = "elsewhere"}}) == "welcome");
  const Manager old({.address = address, .authkey = "key", .tls = certificates.issue("old", "IP:127.0.0.1", -1)});
  CHECK(says(told(old.address(), {.authkey = "key", .tls = trust}), "expired"));
}

TEST_CASE("a server with an authority lets in whom that has signed, and says why to others") {
  const Certificates certificates;
  const Certificates others;
  ipc::TlsOptions server = certificates.issue("server", "IP:127.0.0.1");
  server.ca = certificates.ca();
  const Manager m({.address = address, .authkey = "key", .tls = server});
  ipc::TlsOptions client = certificates.issue("client", "DNS:client");
  client.ca = certificates.ca();
  CHECK(told(m.address(), {.authkey = "key", .tls = client}) == "welcome");
  CHECK(says(told(m.address(), {.authkey = "key", .tls = {.ca = certificates.ca()}}), "certificate required"));
  ipc::TlsOptions stranger = others.issue("client", "DNS:client");
  stranger.ca = certificates.ca();
  CHECK(says(told(m.address(), {.authkey = "key", .tls = stranger}), "refuses this side's certificate"));
  CHECK(says(told(m.address(), {.authkey = "wrong", .tls = client}), "key"));
}

TEST_CASE("TLS on one side only is refused, and others are served meanwhile") {
  const Certificates certificates;
  const Manager tls(
      {.address = address, .authkey = "key", .tls = certificates.issue("server", "IP:127.0.0.1"), .handshake_timeout = 500ms});
  const Manager plain({.address = address, .authkey = "key"});
  const auto list = tls.list<int>({1});
  CHECK(says(told(plain.address(), {.authkey = "key", .tls = {.ca = certificates.ca()}}), "does not speak TLS"));
  // The server waits for TLS to begin, and the client for the server.
  CHECK(says(told(tls.address(), {.authkey = "key"}), "TLS"));
  std::vector<ipc::Connection> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(ipc::Client(tls.address()));
  for (int i = 0; i < 20; ++i) silent[static_cast<std::size_t>(i)].send_bytes(std::string(100, 'x'));
  for (int i = 0; i < 100; ++i) CHECK(list.get(0) == 1);
  for (ipc::Connection& client : silent) CHECK(is_hung_up(client));
  CHECK(list.get(0) == 1);
}

TEST_CASE("certificates that cannot be used are refused at once, and say so") {
  const Certificates certificates;
  const Certificates others;
  ipc::TlsOptions mixed = certificates.issue("server", "IP:127.0.0.1");
  mixed.key = others.issue("server", "IP:127.0.0.1").key;
  CHECK_THROWS_AS(Manager({.address = address, .authkey = "key", .tls = mixed}), std::invalid_argument);
  CHECK_THROWS_AS(Manager({.address = address, .authkey = "key", .tls = {.cert = "/no/such/file", .key = "/no/such/file"}}),
                  std::invalid_argument);
  CHECK_THROWS_AS(Manager({.address = address, .authkey = "key", .tls = {.ca = certificates.ca()}}), ipc::UsageError);
  CHECK_THROWS_AS(Manager({.address = address, .tls = certificates.issue("a", "IP:127.0.0.1")}), ipc::UsageError);
  CHECK_THROWS_AS(Manager({.tls = certificates.issue("b", "IP:127.0.0.1")}), ipc::UsageError);
}

}  // namespace
