#include "ipc/process/identity.hpp"

#include <atomic>
#include <utility>

namespace ipc::process {
namespace {

struct Self {
  Identity identity;
  std::atomic<unsigned> children{0};
  std::atomic<int> start_method{-1};  // -1 until one is chosen.
};

// Never destroyed: exit handlers and other threads may ask until the very end.
Self& self() noexcept {
  static Self& instance = *new Self;
  return instance;
}

}  // namespace

const Identity& identity() noexcept { return self().identity; }

std::string next_lineage() {
  // Relaxed: a number needs only to differ from the others.
  const std::string number = std::to_string(self().children.fetch_add(1, std::memory_order_relaxed) + 1);
  const std::string& above = identity().lineage;
  return above.empty() ? number : above + ":" + number;
}

std::optional<StartMethod> chosen_start_method() noexcept {
  // Relaxed, here and below: the value publishes nothing but itself.
  const int method = self().start_method.load(std::memory_order_relaxed);
  if (method < 0) return std::nullopt;
  return static_cast<StartMethod>(method);
}

bool choose_start_method(StartMethod method, bool force) noexcept {
  if (force) {
    self().start_method.store(static_cast<int>(method), std::memory_order_relaxed);
    return true;
  }
  int none = -1;
  return self().start_method.compare_exchange_strong(none, static_cast<int>(method), std::memory_order_relaxed);
}

void assume_identity(Identity identity, std::optional<StartMethod> start_method) {
  self().identity = std::move(identity);
  self().children.store(0, std::memory_order_relaxed);
  self().start_method.store(start_method ? static_cast<int>(*start_method) : -1, std::memory_order_relaxed);
}

}  // namespace ipc::process
