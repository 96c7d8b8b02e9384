#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/codec.hpp>
#include <ipc/detail/job.hpp>
#include <ipc/detail/user_code.hpp>

namespace ipc::detail {

/// What is kept of a result of type T: nothing has a place as well.
template <class T>
using Kept = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
Kept<T> decode_kept(Reader& in) {
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return decode_all<T>(in);
}

/// A job with one outcome in the end: a T or an exception.
template <class T>
class ResultJob : public Job {
 public:
  using Job::Job;
  /// Both only once the job is ready, or in one of its callbacks.
  std::exception_ptr error() const noexcept { return error_; }
  Kept<T>& value() noexcept { return *value_; }

 protected:
  std::optional<Kept<T>> value_;
  std::exception_ptr error_;
};

/// One call of a function: the job of `apply` and `apply_async`. The call is encoded when it is made, so that the caller
/// may change the arguments afterwards, and stays encoded until there is an outcome, in case its worker dies before it
/// begins.
template <class T>
class CallJob final : public ResultJob<T> {
 public:
  template <class F, class... Args>
  explicit CallJob(const F& f, Args&&... args) : ResultJob<T>(runs_user_code_v<T>), call_(std::in_place, std::span<std::byte>(scratch_)) {
    try {
      encode_call(*call_, f, std::forward<Args>(args)...);
    } catch (...) {
      refusal_ = std::current_exception();
    }
  }

  void encode_task(std::uint64_t, Writer& out) override {
    if (refusal_) std::rethrow_exception(refusal_);
    const auto bytes = call_->view();
    out.bytes(bytes.data(), bytes.size());
    for (const Fd& fd : call_->fds()) out.fd(fd.duplicate());
  }
  void deliver(std::uint64_t, Reader& in, Gate& gate) override {
    auto value = decode_kept<T>(in);
    if (!gate.enter()) return;
    this->value_.emplace(std::move(value));
    call_.reset();
  }
  void fail(std::uint64_t, std::exception_ptr error) override { fail_rest(std::move(error)); }
  void fail_rest(std::exception_ptr error) override {
    this->error_ = std::move(error);
    call_.reset();
  }

 private:
  std::array<std::byte, 128> scratch_;  // Most calls are small.
  std::optional<Writer> call_;
  std::exception_ptr refusal_;
};

}  // namespace ipc::detail
