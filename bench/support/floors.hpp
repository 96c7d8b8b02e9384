#pragma once

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <thread>

#include "bench/support/helper.hpp"
#include "bench/support/table.hpp"

namespace ipc::bench {

/// Below these no message between two processes can be. Whoever helps sleeps in the kernel while it is not its turn: one that
/// woke up every now and then would take a processor from what is measured.

template <class T>
T* shared() {
  void* at = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return new (at) T();
}

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

using Word = std::atomic<unsigned>;
inline void sleep_while(Word& word, unsigned value) {
  while (word.load(std::memory_order_acquire) == value) ::syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}
inline void store_and_wake(Word& word, unsigned value) {
  word.store(value, std::memory_order_release);
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

constexpr int naps = 200;
/// Seconds that `round_trip` takes when the other side has had the time to fall asleep.
template <class F>
double after_naps(F round_trip) {
  std::chrono::steady_clock::duration taken{};
  for (int i = 0; i < naps; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto start = std::chrono::steady_clock::now();
    round_trip();
    taken += std::chrono::steady_clock::now() - start;
  }
  return std::chrono::duration<double>(taken).count() / naps;
}

/// Seconds that `round_trip` takes when both sides have been at it for a while: the kernel needs some ticks of its clock until
/// it has put two that have just woken each other on a processor each.
template <class F>
double while_awake(int count, F round_trip) {
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(30)) round_trip();
  return time_each(count, round_trip);
}

/// One cache line that two processes write in turn.
struct PingPong {
  static constexpr unsigned nobody = ~0u;
  struct Line {
    alignas(128) Word word{nobody};
  };
  double round_trip(int count) {
    unsigned next = 2;
    const auto once = [&] {
      line->word.store(next - 1, std::memory_order_release);
      while (line->word.load(std::memory_order_acquire) != next) relax();
      next += 2;
    };
    store_and_wake(line->word, 0);
    const double taken = while_awake(count, once);
    line->word.store(nobody, std::memory_order_release);
    return taken;
  }
  Line* line = shared<Line>();
  Helper helper{[this] {
    for (;;) {
      sleep_while(line->word, nobody);
      for (unsigned seen; (seen = line->word.load(std::memory_order_acquire)) != nobody; relax()) {
        if (seen % 2 == 1) line->word.store(seen + 1, std::memory_order_release);
      }
    }
  }};
};

/// The least that a ring of slots can do.
template <std::size_t size>
struct BareRing {
  static constexpr std::size_t slots = 4096;
  struct Ring {
    alignas(128) std::atomic<std::size_t> tail{0};
    alignas(128) std::atomic<std::size_t> head{0};
    alignas(128) Word expected{0};
    alignas(128) std::array<std::array<char, size>, slots> slot{};
  };
  double one_way(unsigned count) {
    const std::array<char, size> message{};
    const auto start = std::chrono::steady_clock::now();
    store_and_wake(ring->expected, count);
    for (unsigned i = 0; i < count; ++i) {
      const std::size_t tail = ring->tail.load(std::memory_order_relaxed);
      while (tail - head_seen == slots) head_seen = ring->head.load(std::memory_order_acquire);
      ring->slot[tail % slots] = message;
      ring->tail.store(tail + 1, std::memory_order_release);
    }
    while (ring->expected.load(std::memory_order_acquire) != 0) relax();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / count;
  }
  std::size_t head_seen = 0;
  Ring* ring = shared<Ring>();
  Helper helper{[this] {
    std::array<char, size> message{};
    std::size_t tail_seen = 0;
    for (;;) {
      sleep_while(ring->expected, 0);
      for (unsigned left = ring->expected; left > 0; --left) {
        const std::size_t head = ring->head.load(std::memory_order_relaxed);
        while (tail_seen == head) tail_seen = ring->tail.load(std::memory_order_acquire);
        message = ring->slot[head % slots];
        asm volatile("" ::"r"(message.data()) : "memory");
        ring->head.store(head + 1, std::memory_order_release);
      }
      ring->expected.store(0, std::memory_order_release);
    }
  }};
};

/// A socket that wakes somebody who is blocked in it.
template <std::size_t size>
struct BareSocket {
  static std::array<int, 2> pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) throw std::bad_alloc();
    return ends;
  }
  double parked_round_trip() {
    std::array<char, size> message{};
    return after_naps([&] {
      if (::send(ends[0], message.data(), message.size(), 0) < 0 || ::recv(ends[0], message.data(), message.size(), 0) < 0) std::abort();
    });
  }
  std::array<int, 2> ends = pair();
  Helper helper{[this] {
    std::array<char, size> message{};
    while (::recv(ends[1], message.data(), message.size(), 0) > 0) {
      if (::send(ends[1], message.data(), message.size(), 0) < 0) return;
    }
  }};
};

/// The same with a futex.
struct BareFutex {
  double parked_round_trip() {
    return after_naps([this] {
      const unsigned seen = words[1];
      store_and_wake(words[0], seen + 1);
      sleep_while(words[1], seen);
    });
  }
  std::array<Word, 2>& words = *shared<std::array<Word, 2>>();
  Helper helper{[this] {
    for (unsigned seen = 0;; ++seen) {
      sleep_while(words[0], seen);
      store_and_wake(words[1], seen + 1);
    }
  }};
};

}  // namespace ipc::bench
