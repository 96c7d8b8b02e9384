#include <ipc/detail/writer.hpp>

#include <algorithm>

#include "ipc/os/child.hpp"

namespace ipc::detail {

void Writer::grow(std::size_t size) {
  const std::size_t used = this->size();
  const std::size_t wanted = std::max({used + size, 2 * static_cast<std::size_t>(end_ - begin_), std::size_t{256}});
  if (larger_ != nullptr && heap_ == nullptr) {
    const auto room = larger_->larger_room(wanted);
    if (!room.empty()) {
      if (used != 0) std::memmove(room.data(), begin_, used);
      begin_ = room.data();
      current_ = begin_ + used;
      end_ = begin_ + room.size();
      return;
    }
  }
  // Not value-initialised: a message of many megabytes would be written twice.
  auto bigger = std::unique_ptr<std::byte[]>(new std::byte[wanted]);
  copy_bytes(bigger.get(), begin_, used);
  heap_ = std::move(bigger);
  heap_size_ = wanted;
  begin_ = heap_.get();
  current_ = begin_ + used;
  end_ = begin_ + wanted;
}

void Writer::end_forked_copy() noexcept { os::exit_now(0); }

void Writer::clear() noexcept {
  if (heap_ != nullptr) {
    begin_ = heap_.get();
    end_ = begin_ + heap_size_;
  }
  current_ = begin_;
  fds_.clear();
}

void Writer::truncate(std::size_t size, std::size_t fd_count) noexcept {
  current_ = begin_ + size;
  fds_.resize(fd_count);
}

std::unique_ptr<std::byte[]> Writer::release_heap() noexcept {
  begin_ = current_ = end_ = nullptr;
  heap_size_ = 0;
  return std::move(heap_);
}

Message Writer::take() {
  Message message{Bytes(begin_, current_), std::move(fds_)};
  clear();
  return message;
}

}  // namespace ipc::detail
