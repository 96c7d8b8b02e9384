#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <ipc/listener.hpp>
#include <ipc/process.hpp>
#include <ipc/wait.hpp>

#include "ipc/os/poll.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/transport/bytes_of.hpp"
#include "tests/transport/sockets.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::Client;
using ipc::Connection;
using ipc::Listener;
using ipc::test::bytes_of;
using ipc::test::in_background;
using ipc::test::TemporaryFolder;
using ipc::test::text_of;

std::vector<std::string> families() { return {"", "tcp://127.0.0.1:0", "tcp://[::1]:0"}; }

bool has_ipv6() {
  std::ifstream addresses("/proc/net/if_inet6");
  const std::string all{std::istreambuf_iterator<char>(addresses), {}};
  return all.find("00000000000000000000000000000001") != std::string::npos;
}

TEST_CASE("test_listener_client: a client of each family says hello") {
  for (const std::string& family : families()) {
    if (family.find("::1") != std::string::npos && !has_ipv6()) continue;
    for (const std::optional<ipc::AuthKey>& key : {std::optional<ipc::AuthKey>(), std::optional<ipc::AuthKey>("parrot")}) {
      Listener listener(family, {.authkey = key});
      auto client = in_background([&] {
        Connection connection = Client(listener.address(), {.authkey = key});
        connection.send(std::string("hello"));
        return connection.recv<int>();
      });
      Connection connection = listener.accept();
      CHECK(connection.recv<std::string>() == "hello");
      connection.send(42);
      CHECK(client.get() == 42);
      CHECK_THROWS_AS(connection.recv<int>(), ipc::EndOfFile);
      if (!family.empty()) CHECK(listener.last_accepted().starts_with(family.substr(0, family.size() - 1)));
    }
  }
}

TEST_CASE("test_context: a closed listener accepts nothing and leaves no file") {
  Listener listener;
  const std::string address = listener.address();
  const std::filesystem::path path = address.substr(5);
  CHECK(std::filesystem::is_socket(path));
  CHECK(std::filesystem::status(path.parent_path()).permissions() == std::filesystem::perms::owner_all);
  listener.close();
  listener.close();
  CHECK_FALSE(std::filesystem::exists(path.parent_path()));
  CHECK_THROWS_AS(listener.accept(), ipc::UsageError);
  CHECK_THROWS_AS(listener.try_accept(), ipc::UsageError);
  CHECK_THROWS_AS(Client(address), std::system_error);
}

TEST_CASE("test_multiple_bind: an address that is in use is refused") {
  const TemporaryFolder folder;
  for (const std::string& family : {"unix:" + folder.path() + "/socket", std::string("tcp://127.0.0.1:0")}) {
    const Listener first(family);
    try {
      const Listener second(first.address());
      FAIL("bound twice");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::address_in_use);
      CHECK(std::string(error.what()).find(first.address().substr(5)) != std::string::npos);
    }
  }
}

TEST_CASE("test_empty_authkey: an empty key is one, and not the same as none") {
  Listener listener("", {.authkey = ""});
  auto good = in_background([&] { return Client(listener.address(), {.authkey = ""}).recv<int>(); });
  listener.accept().send(1);
  CHECK(good.get() == 1);
  auto bad = in_background([&] { Client(listener.address(), {.authkey = "x"}); });
  CHECK_THROWS_AS(listener.accept(), ipc::AuthenticationError);
  CHECK_THROWS_AS(bad.get(), ipc::AuthenticationError);
}

TEST_CASE("handshake_timeout: any duration, also one that no clock reaches") {
  const auto meets = [](ipc::ListenerOptions server, ipc::ClientOptions client) {
    Listener listener("", std::move(server));
    auto greeting = in_background([&] { return Client(listener.address(), client).recv<int>(); });
    listener.accept().send(1);
    return greeting.get() == 1;
  };
  constexpr auto endless = std::chrono::hours::max();
  CHECK(meets({.authkey = "parrot", .handshake_timeout = endless}, {.authkey = "parrot", .handshake_timeout = endless}));
  constexpr std::chrono::duration<double> fraction(20.5);
  CHECK(meets({.authkey = "parrot", .handshake_timeout = fraction}, {.authkey = "parrot", .handshake_timeout = fraction}));
}

TEST_CASE("authkey: a null pointer, as getenv gives for what is not set, is refused") {
  const char* const unset = nullptr;
  CHECK_THROWS_AS(Listener("", {.authkey = unset}), std::invalid_argument);
  CHECK_THROWS_WITH(ipc::AuthKey(unset), ipc::test::has_text("null pointer"));
}

TEST_CASE("test_issue14725: a client that wrote and left before it was accepted is heard") {
  Listener listener;
  {
    Connection client = Client(listener.address());
    client.send_bytes("hello");
  }
  Connection connection = listener.accept();
  CHECK(text_of(connection.recv_bytes()) == "hello");
  CHECK_THROWS_AS(connection.recv_bytes(), ipc::EndOfFile);
}

TEST_CASE("test_issue16955: a client's poll sees what the listener's side sends") {
  for (const std::string& family : {std::string(), std::string("tcp://127.0.0.1:0")}) {
    Listener listener(family);
    Connection client = Client(listener.address());
    Connection server = listener.accept();
    CHECK_FALSE(client.poll());
    server.send_bytes("hello");
    CHECK(client.poll(1h));
    server.close();
    CHECK(text_of(client.recv_bytes()) == "hello");
    CHECK(client.poll(1h));
    CHECK_THROWS_AS(client.recv_bytes(), ipc::EndOfFile);
  }
}

TEST_CASE("a client that nobody listens to gets an error that names the address") {
  const TemporaryFolder folder;
  const std::string nowhere = "unix:" + folder.path() + "/nothing";
  const auto complaint = [](const std::string& address) {
    try {
      Client(address);
    } catch (const std::system_error& error) {
      return std::pair(error.code(), std::string(error.what()));
    }
    return std::pair(std::error_code(), std::string("none"));
  };
  CHECK(complaint(nowhere).first == std::errc::no_such_file_or_directory);
  CHECK(complaint(nowhere).second.find(nowhere) != std::string::npos);
  std::string gone;
  {
    const Listener listener("tcp://127.0.0.1:0");
    gone = listener.address();
  }
  CHECK(complaint(gone).first == std::errc::connection_refused);
  CHECK(complaint(gone).second.find(gone) != std::string::npos);
  CHECK_THROWS_AS(Client(""), std::invalid_argument);
  CHECK_THROWS_AS(Client("tcp://127.0.0.1:0"), std::invalid_argument);
  CHECK_THROWS_AS(Client("http://127.0.0.1:0"), std::invalid_argument);
}

TEST_CASE("TCP beyond this machine needs an authkey") {
  for (const char* address : {"tcp://0.0.0.0:0", "tcp://192.0.2.1:0"}) {
    try {
      const Listener listener(address);
      FAIL("listens");
    } catch (const ipc::UsageError& error) {
      CHECK(std::string(error.what()).find("authkey") != std::string::npos);
    }
  }
  CHECK_THROWS_AS(Client("tcp://192.0.2.1:9"), ipc::UsageError);
  Listener listener("tcp://0.0.0.0:0", {.authkey = "parrot"});
  const std::string port = listener.address().substr(std::string("tcp://0.0.0.0:").size());
  auto client = in_background([&] { return Client("tcp://127.0.0.1:" + port, {.authkey = "parrot"}).recv<int>(); });
  listener.accept().send(7);
  CHECK(client.get() == 7);
}

TEST_CASE("a host's name is looked up, and one that does not exist is named") {
  Listener listener("tcp://localhost:0");
  CHECK(listener.address().starts_with("tcp://127."));
  const std::string port = listener.address().substr(listener.address().rfind(':'));
  Connection client = Client("tcp://localhost" + port);
  Connection server = listener.accept();
  server.send(1);
  CHECK(client.recv<int>() == 1);
  try {
    const Listener nowhere("tcp://no.such.host.invalid:0");
    FAIL("listens");
  } catch (const std::system_error& error) {
    CHECK(std::string(error.what()).find("no.such.host.invalid") != std::string::npos);
  }
}

TEST_CASE("closing a listener ends the accept of other threads") {
  for (const std::optional<ipc::AuthKey>& key : {std::optional<ipc::AuthKey>(), std::optional<ipc::AuthKey>("k")}) {
    Listener listener("", {.authkey = key});
    std::vector<std::future<void>> waiting;
    std::atomic<int> begun{0};
    for (int i = 0; i < 3; ++i) {
      waiting.push_back(in_background([&] {
        ++begun;
        listener.accept();
      }));
    }
    ipc::test::wait_until([&] { return begun == 3; });
    listener.close();
    for (auto& result : waiting) CHECK_THROWS_AS(result.get(), ipc::UsageError);
  }
}

TEST_CASE("several threads accept from one listener") {
  Listener listener("", {.authkey = "k"});
  constexpr int count = 8;
  std::vector<std::future<int>> servers;
  std::vector<std::future<void>> clients;
  for (int i = 0; i < count; ++i) {
    servers.push_back(in_background([&] { return listener.accept().recv<int>(); }));
    clients.push_back(in_background([&, i] { Client(listener.address(), {.authkey = "k"}).send(i); }));
  }
  int sum = 0;
  for (auto& server : servers) sum += server.get();
  for (auto& client : clients) client.get();
  CHECK(sum == count * (count - 1) / 2);
}

TEST_CASE("what a killed process left behind at a path is taken over, what somebody uses is not") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  const std::string address = "unix:" + path;
  {
    ipc::test::ForkedChild child([&] {
      const Listener listener(address);
      ::kill(::getpid(), SIGKILL);
    });
    CHECK(child.wait() == -SIGKILL);
  }
  REQUIRE(std::filesystem::is_socket(path));
  {
    Listener listener(address);
    Connection client = Client(address);
    listener.accept().send(3);
    CHECK(client.recv<int>() == 3);
    // Asking whether it is in use is no client.
    CHECK_THROWS_AS(Listener(address), std::system_error);
    CHECK_FALSE(listener.try_accept());
    CHECK((std::filesystem::status(path).permissions() & (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) ==
          std::filesystem::perms::none);
  }
  CHECK_FALSE(std::filesystem::exists(path));
  // A file that is no socket is not ours to remove.
  std::ofstream(path) << "precious";
  CHECK_THROWS_AS(Listener(address), std::system_error);
  CHECK(std::filesystem::is_regular_file(path));
}

TEST_CASE("closing a listener leaves the file of another that has taken its path") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  Listener first("unix:" + path);
  std::filesystem::rename(path, path + ".moved");
  Listener second("unix:" + path);
  first.close();
  CHECK(std::filesystem::is_socket(path));
  Connection client = Client(second.address());
  second.accept().send(5);
  CHECK(client.recv<int>() == 5);
}

TEST_CASE("a forked child may accept, and its end leaves the parent's listener as it is") {
  Listener listener("", {.authkey = "k"});
  const std::filesystem::path path = listener.address().substr(5);
  {
    ipc::test::ForkedChild child([&] {
      listener.accept().send(static_cast<int>(::getpid()));
      Listener gone = std::move(listener);
    });
    CHECK(Client(listener.address(), {.authkey = "k"}).recv<int>() == child.pid());
    CHECK(child.wait() == 0);
  }
  CHECK(std::filesystem::is_socket(path));
  auto client = in_background([&] { return Client(listener.address(), {.authkey = "k"}).recv<int>(); });
  listener.accept().send(1);
  CHECK(client.get() == 1);
}

TEST_CASE("test_ignore_listener: signals do not disturb a handshake") {
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  Listener listener("", {.authkey = "k"});
  const pthread_t accepting = ::pthread_self();
  std::atomic<bool> done{false};
  std::thread disturber([&] {
    while (!done) {
      ::pthread_kill(accepting, SIGUSR1);
      std::this_thread::yield();
    }
  });
  auto client = in_background([&] {
    int sum = 0;
    for (int i = 0; i < 20; ++i) sum += Client(listener.address(), {.authkey = "k"}).recv<int>();
    return sum;
  });
  for (int i = 0; i < 20; ++i) listener.accept().send(i);
  CHECK(client.get() == 190);
  done = true;
  disturber.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("a listener's descriptor and hook tell when accept will not wait") {
  Listener listener("", {.authkey = "k"});
  CHECK_FALSE(listener.try_accept());
  const auto hook = listener.ipc_wait_hook();
  CHECK_FALSE(hook.arm(hook.object));
  ipc::test::RawClient silent(listener.address());
  CHECK(ipc::os::wait_readable(hook.fd, ipc::detail::Deadline::never()));
  // Somebody is there, but has not said who.
  CHECK_FALSE(hook.ready(hook.object));
  CHECK_FALSE(ipc::os::wait_readable(hook.fd, ipc::detail::Deadline::expired_already()));
  auto client = in_background([&] { return Client(listener.address(), {.authkey = "k"}).recv<int>(); });
  do {
    ipc::os::wait_readable(listener.fileno(), ipc::detail::Deadline::never());
  } while (!hook.ready(hook.object));
  // It stays readable until the client is taken.
  CHECK(ipc::os::wait_readable(hook.fd, ipc::detail::Deadline::expired_already()));
  auto connection = listener.try_accept();
  REQUIRE(connection);
  connection->send(9);
  CHECK(client.get() == 9);
  CHECK_FALSE(listener.try_accept());
}

TEST_CASE("test_wait_socket: wait tells of listeners and their connections") {
  Listener listener("", {.authkey = "k"});
  const ipc::test::RawClient silent(listener.address());
  CHECK(ipc::wait({listener}, 0s).empty());
  auto client = in_background([&] {
    Connection connection = Client(listener.address(), {.authkey = "k"});
    connection.send(1);
    return connection.recv<int>();
  });
  CHECK(ipc::wait({listener}) == std::vector<std::size_t>{0});
  Connection connection = listener.accept();
  CHECK(ipc::wait({listener, connection}) == std::vector<std::size_t>{1});
  CHECK(connection.recv<int>() == 1);
  CHECK(ipc::wait({listener, connection}, 0s).empty());
  connection.send(2);
  CHECK(client.get() == 2);
  CHECK(ipc::wait({listener, connection}) == std::vector<std::size_t>{1});
  CHECK_THROWS_AS(connection.recv<int>(), ipc::EndOfFile);
}

int serve_one(Connection connection) {
  connection.send(connection.recv<int>() + 1);
  return 5;
}

TEST_CASE("a connection over a socket goes to processes of each start method") {
  for (const auto method : {ipc::StartMethod::fork, ipc::StartMethod::spawn, ipc::StartMethod::forkserver}) {
    Listener listener;
    Connection client = Client(listener.address());
    ipc::Process process({.start_method = method}, serve_one, listener.accept());
    process.start();
    client.send(41);
    CHECK(client.recv<int>() == 42);
    process.join();
    CHECK(process.exitcode() == 5);
    if (method != ipc::StartMethod::fork) CHECK_THROWS_AS(client.recv<int>(), ipc::EndOfFile);
  }
}

}  // namespace
