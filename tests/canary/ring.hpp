#pragma once

#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "ipc/transport/ring.hpp"

/// Messages of `size` bytes through a ring between two threads over one mapping, with memory orders that may be too weak. The
/// compiler must not know the size: it would write out memcpy where ThreadSanitizer does not look.
template <class Orders>
int pass_messages(std::size_t size) {
  constexpr std::size_t capacity = 4096;
  constexpr int count = 20'000;
  const auto words = std::make_unique<ipc::transport::RingWords>();
  // Not mapped twice: messages do not wrap, the ring's size being a multiple of theirs.
  std::vector<std::byte> data(capacity);
  ipc::transport::BasicRingWriter<Orders> writer(*words, data.data(), capacity);
  ipc::transport::BasicRingReader<Orders> reader(*words, data.data(), capacity);
  std::thread producer([&] {
    for (int i = 0; i < count; ++i) {
      while (writer.room(size).size() < size) std::this_thread::yield();
      std::memset(writer.room(0).data(), i, size);
      writer.advance(size);
      static_cast<void>(writer.publish_and_ask());
    }
  });
  int wrong = 0;
  std::vector<std::byte> copy(size);
  for (int i = 0; i < count; ++i) {
    while (reader.readable(size).size() < size) std::this_thread::yield();
    std::memcpy(copy.data(), reader.readable(0).data(), size);
    wrong += copy[0] == static_cast<std::byte>(i) ? 0 : 1;
    reader.consume(size);
  }
  producer.join();
  std::printf("nobody noticed; %d messages were wrong\n", wrong);
  return wrong == 0 ? 0 : 1;
}
