// Clients that no listener should suffer from, while good ones connect.
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include <ipc/listener.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/transport/sockets.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::Bytes;
using ipc::Client;
using ipc::Connection;
using ipc::Listener;
using ipc::test::bytes_of;
using ipc::test::in_background;
using ipc::test::RawClient;
using ipc::test::text_of;
using ipc::test::unhex;

const std::vector<std::string> families{"", "tcp://127.0.0.1:0"};

/// What a listener's accept says to the next client that it does not let in.
std::string complaint(Listener& listener) {
  try {
    listener.accept();
  } catch (const ipc::AuthenticationError& error) {
    return error.what();
  }
  return "let in";
}

bool says(const std::string& sentence, const char* words) { return sentence.find(words) != std::string::npos; }

TEST_CASE("each kind of bad client gets its own error, and the next client gets in") {
  for (const std::string& family : families) {
    Listener listener(family, {.authkey = "parrot"});
    {
      RawClient client(listener.address());
      client.send(bytes_of("GET / HTTP/1.1\r\n\r\n"));
      CHECK(says(complaint(listener), "at most 256"));
      // It is told to go.
      CHECK(client.receive_all().size() <= 63);
    }
    {
      RawClient client(listener.address());
      client.send(unhex("00000101"));
      CHECK(says(complaint(listener), "257 bytes"));
    }
    {
      RawClient client(listener.address());
      client.send(unhex("ffffffff7fffffffffffffff"));
      CHECK(says(complaint(listener), "at most 256"));
    }
    {
      RawClient client(listener.address());
      client.send(unhex("80000000"));
      CHECK(says(complaint(listener), "does not speak"));
    }
    {
      RawClient client(listener.address());
      client.send(unhex("00000000"));
      CHECK(says(complaint(listener), "names no digest"));
      CHECK(text_of(client.receive_all()).ends_with("#FAILURE#"));
    }
    {
      RawClient client(listener.address());
      client.send(unhex("0000001000"));
    }
    CHECK(says(complaint(listener), "closed the connection"));
    { const RawClient left(listener.address()); }
    CHECK(says(complaint(listener), "closed the connection"));
    auto good = in_background([&] { return Client(listener.address(), {.authkey = "parrot"}).recv<int>(); });
    listener.accept().send(1);
    CHECK(good.get() == 1);
  }
}

/// The listener's challenge, and what a client that knows the key answers.
struct Recorded {
  Bytes challenge;
  Bytes response;
};

TEST_CASE("what was recorded of a good client lets nobody in") {
  Listener listener("", {.authkey = "parrot"});
  // A listener in the middle writes down what the client says to the challenge of another connection.
  Recorded recorded;
  {
    RawClient to_listener(listener.address());
    Listener middle;
    auto client = in_background([&] { Client(middle.address(), {.authkey = "parrot"}); });
    auto said = in_background([&] { return complaint(listener); });
    Connection between = middle.accept();
    recorded.challenge = to_listener.receive(63);
    between.send_bytes(std::span(recorded.challenge).subspan(4));
    recorded.response = between.recv_bytes();
    between.close();
    CHECK_THROWS_AS(client.get(), ipc::AuthenticationError);
    // Sent where it belongs, it is welcome; but then the challenge is the client's.
    to_listener.send(unhex("00000028"));
    to_listener.send(recorded.response);
    CHECK(text_of(to_listener.receive(13)).ends_with("#WELCOME#"));
    to_listener.send(unhex("00000000"));
    CHECK(says(said.get(), "challenge"));
  }
  RawClient replaying(listener.address());
  replaying.send(unhex("00000028"));
  replaying.send(recorded.response);
  CHECK(says(complaint(listener), "another authkey"));
  CHECK(text_of(replaying.receive_all()).ends_with("#FAILURE#"));
}

TEST_CASE("a client that is silent is let go after its time, and one that sends a byte now and then, too") {
  Listener listener("", {.authkey = "parrot", .handshake_timeout = 50ms});
  const auto begin = std::chrono::steady_clock::now();
  const RawClient silent(listener.address());
  CHECK(says(complaint(listener), "within 50 ms"));
  CHECK(std::chrono::steady_clock::now() - begin >= 50ms);
  std::atomic<bool> done{false};
  auto slow = in_background([&] {
    RawClient client(listener.address());
    while (!done) {
      client.send(unhex("00"));
      std::this_thread::sleep_for(20ms);
    }
  });
  CHECK(complaint(listener) != "let in");
  done = true;
  slow.get();
}

TEST_CASE("a listener that is silent, or is none, does not keep a client") {
  Listener silent;
  CHECK_THROWS_AS(Client(silent.address(), {.authkey = "parrot", .handshake_timeout = 20ms}), ipc::AuthenticationError);
  silent.accept();
  auto client = in_background([&] { Client(silent.address(), {.authkey = "parrot"}); });
  silent.accept().send_bytes("220 mail.example.org ESMTP");
  CHECK_THROWS_AS(client.get(), ipc::AuthenticationError);
}

/// Takes clients until `good` of them got in; how many did not.
int take_clients(Listener& listener, int good) {
  int bad = 0;
  while (good > 0) {
    try {
      listener.accept().send(1);
      --good;
    } catch (const ipc::AuthenticationError&) {
      ++bad;
    }
  }
  return bad;
}

TEST_CASE("200 silent clients, and others that send rubbish, keep nobody waiting") {
  for (const std::string& family : families) {
    // They are never let go: whoever waited for one of them would wait for ever.
    Listener listener(family, {.backlog = 300, .authkey = "parrot", .handshake_timeout = 24h});
    std::vector<RawClient> silent;
    std::vector<RawClient> rubbish;
    for (int i = 0; i < 200; ++i) silent.emplace_back(listener.address());
    for (const char* bytes : {"47455420", "00000101", "80000000", "000000057b6d64357d", "0000", "0000003b"}) {
      rubbish.emplace_back(listener.address()).send(unhex(bytes));
    }
    auto clients = in_background([&] {
      int sum = 0;
      for (int i = 0; i < 50; ++i) sum += Client(listener.address(), {.authkey = "parrot"}).recv<int>();
      return sum;
    });
    CHECK(take_clients(listener, 50) == 4);
    CHECK(clients.get() == 50);
  }
}

TEST_CASE("more silent clients than there are places are let go early") {
  Listener listener("", {.authkey = "parrot", .handshake_timeout = 250ms, .max_handshakes = 8});
  std::vector<RawClient> silent;
  for (int i = 0; i < 40; ++i) silent.emplace_back(listener.address());
  auto client = in_background([&] { return Client(listener.address(), {.authkey = "parrot", .handshake_timeout = 24h}).recv<int>(); });
  CHECK(take_clients(listener, 1) >= 32);
  CHECK(client.get() == 1);
}

TEST_CASE("clients that die in the middle of a handshake are counted, and nobody else notices") {
  Listener listener("", {.authkey = "parrot"});
  constexpr int rounds = 60;
  std::atomic<int> good{0};
  auto clients = in_background([&] {
    for (int round = 0; round < rounds; ++round) {
      ipc::test::ForkedChild child([&] { Client(listener.address(), {.authkey = "parrot"}).recv<int>(); });
      for (int spin = round * 3000; spin > 0; --spin) asm volatile("");
      child.kill();
      child.wait();
      if (Client(listener.address(), {.authkey = "parrot"}).recv<int>() == 1) ++good;
    }
    Client(listener.address(), {.authkey = "last"});
  });
  // Some of the victims connect, some fail, some were never born.
  for (bool last = false; !last;) {
    try {
      listener.accept().send(1);
    } catch (const ipc::AuthenticationError& error) {
      last = says(error.what(), "another authkey");
    } catch (const ipc::BrokenPipe&) {
    }
  }
  CHECK_THROWS_AS(clients.get(), ipc::AuthenticationError);
  CHECK(good == rounds);
}

TEST_CASE("a process at its limit of descriptors goes on accepting when some are free again") {
  ipc::test::ForkedChild child([] {
    Listener listener("", {.backlog = 300, .authkey = "parrot", .handshake_timeout = 250ms});
    ipc::test::ForkedChild clients([address = listener.address()] {
      std::vector<RawClient> silent;
      for (int i = 0; i < 64; ++i) silent.emplace_back(address);
      return Client(address, {.authkey = "parrot", .handshake_timeout = 24h}).recv<int>() == 1 ? 0 : 1;
    });
    // What the runner has left open, and some more.
    const auto some = static_cast<rlim_t>(listener.fileno()) + 24;
    const rlimit few{some, some};
    ::setrlimit(RLIMIT_NOFILE, &few);
    take_clients(listener, 1);
    return clients.wait();
  });
  CHECK(child.wait() == 0);
}

}  // namespace
