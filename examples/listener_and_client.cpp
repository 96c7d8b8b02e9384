// Two programs that know nothing of each other but an address and a key: one listens, the other connects, and who does not
// know the key is not let in. Python programs can be either of the two, by multiprocessing.connection. (Here the clients are
// processes of the same program, so that there is nothing else to start.)
#include <array>
#include <cstdio>
#include <string>
#include <tuple>

#include <ipc/ipc.hpp>

namespace {

using Record = std::tuple<double, std::string, int>;

void client(const std::string& address) {
  ipc::Connection connection = ipc::Client(address, {.authkey = "secret password"});
  const auto [number, text, count] = connection.recv<Record>();
  std::printf("client: %g %s %d\n", number, text.c_str(), count);
  const ipc::Bytes bytes = connection.recv_bytes();
  std::printf("client: %.*s\n", static_cast<int>(bytes.size()), reinterpret_cast<const char*>(bytes.data()));
  std::array<int, 5> numbers{};
  const std::size_t size = connection.recv_bytes_into(std::as_writable_bytes(std::span(numbers)));
  std::printf("client: %zu bytes: %d %d %d %d %d\n", size, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]);
}

void stranger(const std::string& address) {
  try {
    ipc::Client(address, {.authkey = "open sesame"});
  } catch (const ipc::AuthenticationError&) {
    std::puts("stranger: not let in");
  }
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  ipc::Listener listener("tcp://localhost:0", {.authkey = "secret password"});

  ipc::Process first(stranger, listener.address());
  first.start();
  try {
    listener.accept();
  } catch (const ipc::AuthenticationError&) {
    // What is wrong with one client ends nothing but its own connection.
  }
  first.join();
  std::puts("listener: refused a client");

  ipc::Process second(client, listener.address());
  second.start();
  ipc::Connection connection = listener.accept();
  connection.send(Record{2.25, "junk", 7});
  connection.send_bytes("hello");
  const std::array numbers{42, 1729};
  connection.send_bytes(std::as_bytes(std::span(numbers)));
  second.join();
}
