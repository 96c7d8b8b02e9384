#pragma once

#include <cstddef>

namespace ipc::os {

/// Tells whether this process is a fork of the one that made the object, for the price of one load: its page is one that
/// the kernel clears in every forked process, however that was forked.
class ForkWitness {
 public:
  ForkWitness();
  ForkWitness(const ForkWitness&) = delete;
  ForkWitness& operator=(const ForkWitness&) = delete;
  ~ForkWitness();

  bool forked() const noexcept { return byte() == std::byte{0}; }
  /// Zero in a fork.
  const std::byte& byte() const noexcept { return *page_; }

 private:
  std::byte* page_;
};

}  // namespace ipc::os
