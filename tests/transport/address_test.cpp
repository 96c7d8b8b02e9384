#include "ipc/transport/address.hpp"

#include <stdexcept>
#include <string>

#include "tests/support/catch.hpp"

namespace {

using ipc::transport::Address;
using namespace std::string_literals;

std::string complaint(const std::string& text) {
  try {
    Address::parse(text);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "none";
}

TEST_CASE("addresses are read as they are written") {
  const Address local = Address::parse("unix:/tmp/a socket");
  CHECK(local.family == Address::Family::unix_socket);
  CHECK(local.path == "/tmp/a socket");
  CHECK(local.text() == "unix:/tmp/a socket");
  const Address remote = Address::parse("tcp://example.org:65535");
  CHECK(remote.family == Address::Family::tcp);
  CHECK(remote.host == "example.org");
  CHECK(remote.port == 65535);
  CHECK(Address::parse("tcp://127.0.0.1:0").port == 0);
  CHECK(Address::parse("tcp://[::1]:5000").host == "::1");
  CHECK(Address::parse("tcp://[::1]:5000").text() == "tcp://[::1]:5000");
  CHECK(Address::parse("").family == Address::Family::any);
}

TEST_CASE("TestInvalidFamily: bad addresses are refused with a sentence") {
  for (const std::string& text : {"/tmp/x"s,
                                  "localhost:80"s,
                                  "unix:"s,
                                  "http://x:1"s,
                                  "tcp:"s,
                                  "tcp://"s,
                                  "tcp://host"s,
                                  "tcp://host:"s,
                                  "tcp://:80"s,
                                  "tcp://host:65536"s,
                                  "tcp://host:-1"s,
                                  "tcp://host:+1"s,
                                  "tcp://host:0x10"s,
                                  "tcp://host:80x"s,
                                  "tcp://host:80/"s,
                                  "tcp://::1:80"s,
                                  "tcp://[::1:80"s,
                                  "tcp://[::1]80"s,
                                  "tcp://[::1]"s,
                                  "tcp://[host]:80"s,
                                  "tcp://user@host:80"s,
                                  "tcp://a b:80"s,
                                  "unix"s,
                                  "tcp"s,
                                  "\\\\.\\pipe\\x"s,
                                  "tcp://ho\0st:80"s,
                                  "unix:/tmp/\0x"s}) {
    const std::string sentence = complaint(text);
    CAPTURE(text, sentence);
    CHECK(sentence.ends_with('.'));
  }
}

TEST_CASE("test_abstract_socket: abstract sockets are refused") { CHECK(complaint("unix:\0x"s).find("abstract") != std::string::npos); }

TEST_CASE("a path that the kernel cannot hold is refused, one that it can hold is not") {
  CHECK(Address::parse("unix:/" + std::string(106, 'x')).path.size() == 107);
  CHECK(complaint("unix:/" + std::string(107, 'x')).find("108 bytes") != std::string::npos);
}

}  // namespace
