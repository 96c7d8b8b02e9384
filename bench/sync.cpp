// What locks and semaphores cost, free and fought over by two processes, beside the C library's own robust mutex and
// semaphore in shared memory, and beside CPython.
#include <pthread.h>
#include <semaphore.h>

#include <cerrno>
#include <memory>

#include <ipc/lock.hpp>
#include <ipc/main.hpp>
#include <ipc/rlock.hpp>
#include <ipc/semaphore.hpp>
#include <ipc/value.hpp>

#include "bench/support/peer.hpp"
#include "bench/support/rival.hpp"
#include "bench/support/table.hpp"

namespace {

using ipc::bench::Contender;
using ipc::bench::Rival;
using ipc::bench::time_each;

constexpr int free_count = 1'000'000;
constexpr int fought_count = 2'000'000;

/// A process-shared robust mutex as the C library has it, used as its manual says.
class RawMutex {
 public:
  RawMutex() {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    ::pthread_mutex_init(&get(), &attributes);
    ::pthread_mutexattr_destroy(&attributes);
  }
  void use() const {
    if (::pthread_mutex_lock(&get()) == EOWNERDEAD) ::pthread_mutex_consistent(&get());
    ::pthread_mutex_unlock(&get());
  }

 private:
  struct alignas(64) Bytes {
    unsigned char at[sizeof(pthread_mutex_t)];
  };
  pthread_mutex_t& get() const { return reinterpret_cast<pthread_mutex_t&>(memory_.value()); }
  ipc::RawValue<Bytes> memory_;
};

class RawSemaphore {
 public:
  RawSemaphore() { ::sem_init(&get(), 1, 1); }
  void use() const {
    ::sem_wait(&get());
    ::sem_post(&get());
  }

 private:
  struct alignas(64) Bytes {
    unsigned char at[sizeof(sem_t)];
  };
  sem_t& get() const { return reinterpret_cast<sem_t&>(memory_.value()); }
  ipc::RawValue<Bytes> memory_;
};

/// `f` so often without a call through a pointer each time.
template <class F>
double seconds_each(int count, F f) {
  return time_each(1,
                   [&] {
                     for (int i = 0; i < count; ++i) f();
                   }) /
         count;
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  const auto peers = ipc::bench::cpython_peers("sync.py");
  ipc::bench::Table table("sync");
  const auto row = [&](const char* what, const char* peer_function, int peer_count, double wanted, std::vector<Contender> contenders) {
    for (const auto& peer : peers) {
      contenders.push_back({peer->name(), [&peer, peer_function, peer_count] { return peer->seconds(peer_function, peer_count); }, wanted});
    }
    table.row(what, std::move(contenders));
  };

  const ipc::Lock lock;
  const ipc::RLock rlock;
  const ipc::Semaphore semaphore(1);
  const RawMutex raw_mutex;
  const RawSemaphore raw_semaphore;
  const auto use_lock = [&] {
    lock.lock();
    lock.unlock();
  };
  const auto use_rlock = [&] {
    rlock.lock();
    rlock.unlock();
  };
  const auto use_semaphore = [&] {
    semaphore.acquire();
    semaphore.release();
  };

  row("Lock, free", "lock", 200'000, 0,
      {{"ipc", [&] { return seconds_each(free_count, use_lock); }},
       {"robust mutex", [&] { return seconds_each(free_count, [&] { raw_mutex.use(); }); }, 1 / 1.5}});
  row("RLock, free", "rlock", 200'000, 0, {{"ipc", [&] { return seconds_each(free_count, use_rlock); }}});
  row("Semaphore, free", "semaphore", 200'000, 0,
      {{"ipc", [&] { return seconds_each(free_count, use_semaphore); }},
       {"sem_t", [&] { return seconds_each(free_count, [&] { raw_semaphore.use(); }); }}});

  const Rival lock_rival(use_lock);
  const Rival raw_rival([&] { raw_mutex.use(); });
  const Rival semaphore_rival(use_semaphore);
  row("Lock, two processes", "contended_lock", 400'000, 5,
      {{"ipc", [&] { return lock_rival.seconds(fought_count); }}, {"robust mutex", [&] { return raw_rival.seconds(fought_count); }}});
  row("Semaphore, two processes", "contended_semaphore", 400'000, 5, {{"ipc", [&] { return semaphore_rival.seconds(fought_count); }}});
}
