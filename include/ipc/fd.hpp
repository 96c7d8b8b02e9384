#pragma once

#include <utility>

namespace ipc {

/// An open file descriptor, owned: closed by the destructor. Move-only. It can be sent through a `Connection`, put in a
/// queue or passed as an argument; the other side gets a descriptor of its own for the same open file.
/// One thread at a time.
class Fd {
 public:
  Fd() noexcept = default;
  /// Takes ownership of `fd`; -1 owns nothing.
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  /// The number, -1 when nothing is owned. Still owned by this object.
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  /// Gives ownership to the caller.
  int release() noexcept { return std::exchange(fd_, -1); }
  /// Closes now.
  void reset() noexcept;
  /// A second descriptor for the same open file, close-on-exec. Throws `std::system_error` (EMFILE…).
  Fd duplicate() const { return duplicate_of(fd_); }
  static Fd duplicate_of(int fd);

 private:
  int fd_ = -1;
};

}  // namespace ipc
