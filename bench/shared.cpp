// What shared values, arrays and memory cost, beside plain atomics and pointers, and beside CPython.
#include <atomic>
#include <cstdint>
#include <numeric>

#include <ipc/array.hpp>
#include <ipc/main.hpp>
#include <ipc/shareable_list.hpp>
#include <ipc/shared_memory.hpp>
#include <ipc/value.hpp>

#include "bench/support/peer.hpp"
#include "bench/support/rival.hpp"
#include "bench/support/table.hpp"

namespace {

using ipc::bench::Contender;
using ipc::bench::Rival;
using ipc::bench::time_each;

constexpr int count = 1'000'000;
constexpr std::size_t elements = 1'000'000;

/// `f` so often without a call through a pointer each time.
template <class F>
double seconds_each(int times, F f) {
  return time_each(1,
                   [&] {
                     for (int i = 0; i < times; ++i) f();
                   }) /
         times;
}

/// Keeps the compiler from leaving a result out.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  const auto peers = ipc::bench::cpython_peers("shared.py");
  ipc::bench::Table table("shared");
  const auto row = [&](const char* what, const char* peer_function, int peer_count, double wanted, std::vector<Contender> contenders) {
    for (const auto& peer : peers) {
      contenders.push_back({peer->name(), [&peer, peer_function, peer_count] { return peer->seconds(peer_function, peer_count); }, wanted});
    }
    table.row(what, std::move(contenders));
  };

  const ipc::Value<std::int64_t> value;
  const auto update = [&] { value.update([](std::int64_t& x) { ++x; }); };
  row("Value::update, free", "update", 50'000, 0, {{"ipc", [&] { return seconds_each(count, update); }}});
  const Rival rival(update);
  row("Value::update, two processes", "contended_update", 100'000, 5, {{"ipc", [&] { return rival.seconds(2'000'000); }}});

  alignas(64) static std::atomic<std::int64_t> atomic{0};
  table.row("Value::fetch_add", {{"ipc", [&] { return seconds_each(count, [&] { value.fetch_add(1); }); }},
                                 {"std::atomic", [&] { return seconds_each(count, [&] { atomic.fetch_add(1); }); }, 0.5}});

  const ipc::Array<double> array(elements);
  // The same kind of memory, so that only the way to it differs.
  const ipc::RawArray<double> raw(elements);
  double* const plain = raw.data();
  // Not known to the compiler, as the guard's is not: otherwise this loop alone would be vectorised.
  const std::size_t size = raw.size();
  row("Array, sum under its guard", "array_sum", 1, 0,
      {{"ipc",
        [&] {
          return seconds_each(50, [&] {
            const auto guard = array.lock();
            keep(std::accumulate(guard.begin(), guard.end(), 0.0));
          });
        }},
       {"plain pointers", [&] { return seconds_each(50, [&] { keep(std::accumulate(plain, plain + size, 0.0)); }); }, 0.95}});
  table.row("Array, add to each under its guard", {{"ipc",
                                                    [&] {
                                                      return seconds_each(50, [&] {
                                                        auto guard = array.lock();
                                                        for (double& x : guard) x += 1;
                                                      });
                                                    }},
                                                   {"plain pointers",
                                                    [&] {
                                                      return seconds_each(50, [&] {
                                                        for (std::size_t i = 0; i < size; ++i) plain[i] += 1;
                                                        keep(plain);
                                                      });
                                                    },
                                                    0.95}});
  row("Array::set", "array_set", 50'000, 0,
      {{"ipc", [&, i = std::ptrdiff_t{0}]() mutable { return seconds_each(count, [&] { array.set(i++ % 1000, 1.5); }); }}});

  row("SharedMemory, made and unlinked", "create_memory", 1000, 0,
      {{"ipc", [] { return seconds_each(2000, [] { keep(ipc::SharedMemory::create(4096)); }); }}});
  const ipc::ShareableList list{1, 2.5, "text"};
  row("ShareableList, set an integer", "set_item", 50'000, 0,
      {{"ipc", [&, i = 0]() mutable { return seconds_each(count, [&] { list.set(0, ++i); }); }}});
}
