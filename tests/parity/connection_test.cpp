// Real CPythons talk with ours, in both directions: those that the machine has.
#include <future>
#include <optional>
#include <string>
#include <vector>

#include <ipc/listener.hpp>

#include "tests/parity/cpython.hpp"
#include "tests/support/catch.hpp"

namespace {

using ipc::Bytes;
using ipc::Client;
using ipc::Connection;
using ipc::Listener;
using ipc::test::PythonScript;

using Key = std::optional<ipc::AuthKey>;

/// Both scripts: each case is "family key", where key is "none" or "=" and the key.
const std::string script_head = R"(
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
def key_of(word): return None if word == 'none' else word[1:].encode()
def ours(address):  # as the other side writes it
    return 'unix:' + address if isinstance(address, str) else 'tcp://%s:%d' % address
def theirs(address):
    if address.startswith('unix:'): return address[5:]
    host, port = address[6:].rsplit(':', 1)
    return host, int(port)
def echo(connection):
    try:
        while True: connection.send_bytes(connection.recv_bytes())
    except (EOFError, ConnectionResetError): return 'end'
def tell(attempt):
    try: print(attempt())
    except AuthenticationError: print('refused')
    except (EOFError, ConnectionError) as e: print(type(e).__name__)
)";

// Up to some 3.12, CPython's Listener (not its Client) takes an empty key for none.
const std::string listening_script = script_head + R"(
import inspect
print('is not None' in inspect.getsource(Listener.accept))
for line in sys.stdin:
    family, word = line.rstrip('\n').split(' ')
    with Listener(None if family == 'AF_UNIX' else ('127.0.0.1', 0), family, authkey=key_of(word)) as listener:
        print(ours(listener.address))
        def attempt():
            with listener.accept() as connection: return echo(connection)
        tell(attempt)
)";

const std::string connecting_script = script_head + R"(
for line in sys.stdin:
    address, word = line.rstrip('\n').split(' ')
    def attempt():
        with Client(theirs(address), authkey=key_of(word)) as connection: return echo(connection)
    tell(attempt)
)";

std::string word_of(const Key& key) {
  if (!key) return "none";
  return "=" + std::string(reinterpret_cast<const char*>(key->bytes().data()), key->bytes().size());
}

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  std::uint64_t word = 0x9e3779b97f4a7c15 ^ size;
  for (std::byte& byte : bytes) {
    word = word * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<std::byte>(word >> 56);
  }
  return bytes;
}

void check_echo(Connection& connection, const std::vector<std::size_t>& sizes) {
  for (const std::size_t size : sizes) {
    CAPTURE(size);
    const Bytes sent = pattern(size);
    connection.send_bytes(sent);
    CHECK(connection.recv_bytes() == sent);
  }
  // Several at once keep their borders.
  for (int i = 0; i < 10; ++i) connection.send_bytes(pattern(static_cast<std::size_t>(i)));
  for (int i = 0; i < 10; ++i) CHECK(connection.recv_bytes() == pattern(static_cast<std::size_t>(i)));
}

const std::vector<std::size_t> few{0, 1, 16384, 16385};
const std::vector<std::size_t> all{0, 1, 16384, 16385, std::size_t{1} << 20, std::size_t{64} << 20};

std::vector<ipc::test::Python> pythons() {
  auto found = ipc::test::find_pythons();
  if (found.empty()) WARN("skipped: there is no python3 on this machine");
  for (const auto& python : found) WARN("with CPython " << python.version);
  return found;
}

TEST_CASE("a CPython listener and our client: messages of every size, with, without, with an empty and a wrong authkey") {
  for (const auto& python : pythons()) {
    CAPTURE(python.version);
    PythonScript script(python, listening_script);
    const bool knows_empty_keys = script.read_line() == "True";
    const auto good = [&](const std::string& family, const Key& key, const std::vector<std::size_t>& sizes) {
      script.write_line(family + " " + word_of(key));
      const std::string address = script.read_line();
      {
        Connection connection = Client(address, {.authkey = key});
        check_echo(connection, sizes);
      }
      CHECK(script.read_line() == "end");
    };
    const auto bad = [&](const std::string& family, const Key& theirs, const Key& our) {
      script.write_line(family + " " + word_of(theirs));
      const std::string address = script.read_line();
      CHECK_THROWS_AS(Client(address, {.authkey = our}), ipc::AuthenticationError);
      CHECK(script.read_line() == "refused");
    };
    good("AF_UNIX", "parrot", all);
    good("AF_UNIX", std::nullopt, few);
    if (knows_empty_keys) {
      good("AF_UNIX", "", few);
      bad("AF_INET", "", "cheese");
    } else {
      // It is silent, and we are told so.
      script.write_line("AF_UNIX =");
      CHECK_THROWS_AS(Client(script.read_line(), {.authkey = "", .handshake_timeout = std::chrono::milliseconds(20)}),
                      ipc::AuthenticationError);
      CHECK(script.read_line() == "end");
    }
    good("AF_INET", std::nullopt, all);
    good("AF_INET", "parrot", few);
    bad("AF_UNIX", "parrot", "cheese");
    bad("AF_INET", "parrot", "");
  }
}

TEST_CASE("our listener and a CPython client: messages of every size, with, without, with an empty and a wrong authkey") {
  for (const auto& python : pythons()) {
    CAPTURE(python.version);
    PythonScript script(python, connecting_script);
    const auto good = [&](const std::string& address, const Key& key, const std::vector<std::size_t>& sizes) {
      Listener listener(address, {.authkey = key});
      script.write_line(listener.address() + " " + word_of(key));
      {
        Connection connection = listener.accept();
        check_echo(connection, sizes);
      }
      CHECK(script.read_line() == "end");
    };
    const auto bad = [&](const std::string& address, const Key& our, const Key& theirs) {
      Listener listener(address, {.authkey = our});
      script.write_line(listener.address() + " " + word_of(theirs));
      CHECK_THROWS_AS(listener.accept(), ipc::AuthenticationError);
      CHECK(script.read_line() == "refused");
    };
    good("", "parrot", all);
    good("", std::nullopt, few);
    good("", "", few);
    good("tcp://127.0.0.1:0", std::nullopt, all);
    good("tcp://127.0.0.1:0", "parrot", few);
    bad("", "parrot", "cheese");
    bad("tcp://127.0.0.1:0", "parrot", "");
    bad("tcp://127.0.0.1:0", "", "cheese");
  }
}

TEST_CASE("a killed CPython ends the connection") {
  for (const auto& python : pythons()) {
    PythonScript script(python, listening_script);
    script.read_line();
    script.write_line("AF_UNIX =parrot");
    Connection connection = Client(script.read_line(), {.authkey = "parrot"});
    check_echo(connection, few);
    script.kill();
    CHECK_THROWS_AS(connection.recv_bytes(), ipc::EndOfFile);
    CHECK_THROWS_AS(connection.send_bytes(pattern(1)), ipc::BrokenPipe);
  }
}

}  // namespace
