#pragma once

#include <ipc/detail/reader.hpp>
#include <ipc/detail/writer.hpp>

namespace ipc::detail {

/// One level of values within values, for the time of a scope. The limit keeps a message of nothing but opening levels
/// from overflowing the receiver's stack; the sender meets the same one, so that what can be encoded can be decoded.
class Nesting {
 public:
  static constexpr unsigned limit = 1000;

  explicit Nesting(Reader& reader) : depth_(reader.depth_) { enter(); }
  explicit Nesting(Writer& writer) : depth_(writer.depth_) { enter(); }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  ~Nesting() { --depth_; }

 private:
  void enter() {
    if (depth_ == limit) fail();
    ++depth_;
  }
  [[noreturn]] static void fail();

  unsigned& depth_;
};

}  // namespace ipc::detail
