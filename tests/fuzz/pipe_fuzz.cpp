// A hostile peer of a pipe: the input says which words of the shared memory it overwrites and what it puts through the socket,
// between calls that do not wait.
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <ipc/connection.hpp>
#include <ipc/error.hpp>

#include "ipc/transport/pipe.hpp"
#include "ipc/transport/pipe_words.hpp"

namespace {

constexpr std::size_t ring = 4096;
constexpr std::size_t whole = 4096 + 2 * ring;

struct Input {
  std::span<const std::uint8_t> rest;
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    const std::size_t size = std::min(bytes, rest.size());
    std::memcpy(&value, rest.data(), size);
    rest = rest.subspan(size);
    return value;
  }
};

/// Whether the next message is all there, so that receiving it does not wait.
bool message_is_there(std::byte* memory, const ipc::transport::PipeDirection& incoming) {
  const std::uint64_t head = incoming.ring.head;
  const std::uint64_t there = ipc::transport::count_of(incoming.ring.tail) - head;
  if (there > ring) return true;  // An error, at once.
  if (there < 8 || incoming.consumer.owed > head) return false;
  ipc::transport::MessageHeader header;
  std::memcpy(&header, memory + 4096 + ring + head % ring, std::min<std::size_t>(8, ring - head % ring));
  return head % ring <= ring - 8 && header.total() <= there;
}

void play(Input in) {
  auto ends = ipc::transport::make_pipe(true, ring);
  ipc::Connection end(std::move(ends.first));
  ipc::detail::Writer writer;
  ends.second->encode(writer);
  ipc::detail::Message message = writer.take();
  void* at = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_SHARED, message.fds[0].get(), 0);
  if (at == MAP_FAILED) std::abort();
  auto* memory = static_cast<std::byte*>(at);
  auto& words = *static_cast<ipc::transport::PipeWords*>(at);
  try {
    while (!in.rest.empty()) {
      switch (in.number(1) % 9) {
        case 0:
          words.directions[1].ring.tail = in.number(8);
          break;
        case 1:
          words.directions[0].ring.head = in.number(8);
          break;
        case 2:
          words.directions[1].ring.tail = words.directions[1].ring.head + in.number(2) % (ring + 1);
          break;
        case 3: {
          const std::uint64_t value = in.number(8);
          std::memcpy(memory + in.number(2) % (whole - 8), &value, 8);
          break;
        }
        case 4: {
          const std::uint64_t packet[2] = {in.number(1), in.number(2)};
          ::send(message.fds[1].get(), packet, 1 + in.number(1) % sizeof packet, MSG_DONTWAIT | MSG_NOSIGNAL);
          break;
        }
        case 5: {
          const auto& outgoing = words.directions[0].ring;
          // As if somebody else had sent: so that it looks for room from where we see it.
          words.directions[0].producer.announced = ~ipc::transport::count_of(outgoing.tail);
          const std::uint64_t used = ipc::transport::count_of(outgoing.tail) - outgoing.head;
          if (used > ring || ring - used >= 600) end.send_bytes(std::string(in.number(2) % 500, 'x'));
          break;
        }
        case 6:
          end.poll();
          break;
        case 7:
          if (words.directions[1].consumer.bells <= 1) end.fileno();
          break;
        default:
          if (message_is_there(memory, words.directions[1])) {
            unsigned sum = 0;
            for (const std::byte byte : end.recv_bytes()) sum += static_cast<unsigned>(byte);
            asm volatile("" ::"r"(sum));
          }
          break;
      }
    }
  } catch (const ipc::Error&) {
  } catch (const ipc::UsageError&) {
  } catch (const std::system_error&) {
  }
  ::munmap(at, whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  play({std::span(data, size)});
  return 0;
}
