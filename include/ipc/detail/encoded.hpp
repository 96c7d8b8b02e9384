#pragma once

#include <exception>
#include <utility>
#include <vector>

#include <ipc/detail/writer.hpp>
#include <ipc/fd.hpp>

namespace ipc::detail {

/// A task encoded beforehand, in case that it has to be sent again; or the exception that encoding it threw.
class Encoded {
 public:
  Encoded() = default;
  /// `encode(writer)` is called at once.
  template <class Encode>
  explicit Encoded(Encode encode) {
    try {
      Writer out;
      encode(out);
      message_ = out.take();
    } catch (...) {
      refusal_ = std::current_exception();
    }
  }
  void write(Writer& out) const {
    if (refusal_) std::rethrow_exception(refusal_);
    out.bytes(message_.bytes.data(), message_.bytes.size());
    for (const Fd& fd : message_.fds) out.fd(fd.duplicate());
  }
  void clear() { *this = Encoded(); }

 private:
  Message message_;
  std::exception_ptr refusal_;
};

}  // namespace ipc::detail
