#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/codec.hpp>
#include <ipc/detail/encoded.hpp>
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
  explicit CallJob(const F& f, Args&&... args)
      : ResultJob<T>(runs_user_code_v<T>), call_([&](Writer& out) { encode_call(out, f, std::forward<Args>(args)...); }) {}

  void encode_tasks(Tasks, Writer& out) override { call_.write(out); }
  void deliver(Tasks, Reader& in, Gate& gate) override {
    auto value = decode_kept<T>(in);
    if (!gate.enter()) return;
    this->value_.emplace(std::move(value));
    call_.clear();
  }
  void fail(Tasks, std::exception_ptr error) override { fail_rest(std::move(error)); }
  void fail_rest(std::exception_ptr error) override {
    this->error_ = std::move(error);
    call_.clear();
  }

 private:
  Encoded call_;
};

}  // namespace ipc::detail
