#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/fd.hpp>

namespace ipc::detail {

/// A value encoded beforehand, to be written into messages later, perhaps more than once; or the exception that encoding it
/// threw. There may be very many of these, so they are small, and small values need no memory of their own.
class Encoded {
 public:
  Encoded() = default;
  /// `encode(writer)` is called at once.
  template <class Encode>
  explicit Encoded(Encode encode) {
    try {
      std::array<std::byte, 512> scratch;
      Writer out{std::span<std::byte>(scratch)};
      encode(out);
      size_ = out.size();
      if (out.on_heap()) {
        large_ = out.release_heap();
      } else {
        if (size_ > small_.size()) large_.reset(new std::byte[size_]);
        if (size_ != 0) std::memcpy(large_ != nullptr ? large_.get() : small_.data(), out.view().data(), size_);
      }
      if (!out.fds().empty()) fds_ = std::make_unique<std::vector<Fd>>(std::move(out.fds()));
    } catch (...) {
      refusal_ = std::current_exception();
    }
  }
  void write(Writer& out) const {
    if (refusal_) std::rethrow_exception(refusal_);
    out.bytes(large_ != nullptr ? large_.get() : small_.data(), size_);
    if (fds_ == nullptr) return;
    for (const Fd& fd : *fds_) out.fd(fd.duplicate());
  }
  void clear() { *this = Encoded(); }
  bool empty() const noexcept { return size_ == 0 && refusal_ == nullptr; }

 private:
  std::array<std::byte, 48> small_;
  std::unique_ptr<std::byte[]> large_;
  std::size_t size_ = 0;
  std::unique_ptr<std::vector<Fd>> fds_;
  std::exception_ptr refusal_;
};

/// Values encoded beforehand, one behind the other, and written into messages later, perhaps more than once; or the
/// exception that encoding one of them threw.
class EncodedList {
 public:
  /// `encode(writer)` is called at once. Each value is a message of its own to it: what it puts there may go without the
  /// values beside it.
  template <class Encode>
  void push_back(Encode encode) {
    End end;
    try {
      std::array<std::byte, 256> scratch;
      Writer out{std::span<std::byte>(scratch)};
      encode(out);
      bytes_.insert(bytes_.end(), out.view().begin(), out.view().end());
      for (Fd& fd : out.fds()) fds_.push_back(std::move(fd));
    } catch (...) {
      end.refusal = std::current_exception();
    }
    end.bytes = bytes_.size();
    end.fds = fds_.size();
    ends_.push_back(std::move(end));
  }
  std::size_t size() const noexcept { return ends_.size(); }
  bool has_fds() const noexcept { return !fds_.empty(); }
  /// Those from `first` to before `last`.
  void write(std::size_t first, std::size_t last, Writer& out) const {
    for (std::size_t i = first; i < last; ++i) {
      if (ends_[i].refusal) std::rethrow_exception(ends_[i].refusal);
    }
    const std::size_t begin = first == 0 ? 0 : ends_[first - 1].bytes;
    const std::size_t first_fd = first == 0 ? 0 : ends_[first - 1].fds;
    out.bytes(bytes_.data() + begin, ends_[last - 1].bytes - begin);
    for (std::size_t i = first_fd; i < ends_[last - 1].fds; ++i) out.fd(fds_[i].duplicate());
  }

 private:
  struct End {
    std::size_t bytes = 0;
    std::size_t fds = 0;
    std::exception_ptr refusal = {};
  };
  Bytes bytes_;
  std::vector<Fd> fds_;
  std::vector<End> ends_;
};

}  // namespace ipc::detail
