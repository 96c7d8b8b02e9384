#pragma once

#include <array>
#include <cstddef>

#include <ipc/fd.hpp>

#include "ipc/os/mapping.hpp"
#include "ipc/os/mirrored_mapping.hpp"
#include "ipc/transport/pipe_words.hpp"

namespace ipc::transport {

/// A pipe's shared memory as this process sees it. The ends that were made together share one object.
class PipeMemory {
 public:
  /// New memory. `capacity` of each ring: a power of two of at least a page.
  static PipeMemory create(std::size_t capacity);
  /// Received memory; throws `EncodingError` when it is not a pipe's.
  static PipeMemory open(Fd fd);

  PipeWords& words() const noexcept { return *reinterpret_cast<PipeWords*>(control_.data()); }
  std::byte* data(std::size_t side) const noexcept { return data_[side].data(); }
  std::size_t capacity() const noexcept { return data_[0].size(); }
  const Fd& fd() const noexcept { return fd_; }
  /// For somebody else to open. This process needs it for that only.
  Fd take_fd() noexcept { return std::move(fd_); }

 private:
  PipeMemory(Fd fd, std::size_t capacity);

  Fd fd_;
  os::Mapping control_;
  std::array<os::MirroredMapping, 2> data_;
};

}  // namespace ipc::transport
