#pragma once

#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ipc/bytes.hpp>

namespace ipc {

namespace detail {
/// A place in code, as Token: which module, and how far into it.
struct CodePlace {
  std::uint64_t module = 0;
  std::uint64_t offset = 0;
};
}  // namespace detail

/// Base of what goes wrong at run time, so that one handler can catch everything this library reports about other
/// processes. What the kernel refuses is `std::system_error`, misuse is `UsageError`; neither derives from `Error`.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A wait ended by its time-out.
class TimeoutError : public Error {
 public:
  using Error::Error;
};

/// A queue had no item in time.
class Empty : public Error {
 public:
  using Error::Error;
};

/// A queue had no room in time.
class Full : public Error {
 public:
  using Error::Error;
};

/// The queue was shut down.
class ShutDown : public Error {
 public:
  using Error::Error;
};

/// The peer closed the connection, or died, and everything that it had sent has been received.
class EndOfFile : public Error {
 public:
  using Error::Error;
};

/// A message was sent to a peer that has closed the connection or died.
class BrokenPipe : public Error {
 public:
  using Error::Error;
};

/// The caller's buffer was smaller than the message, which has been consumed: `message()` has all of it.
class BufferTooShort : public Error {
 public:
  BufferTooShort(const std::string& what, Bytes message) : Error(what), message_(std::move(message)) {}
  const Bytes& message() const noexcept { return message_; }

 private:
  Bytes message_;
};

/// A value that cannot be encoded, or bytes that are not the type that was asked for.
class EncodingError : public Error {
 public:
  using Error::Error;
};

/// The peer does not know the key, or we do not know the peer's.
class AuthenticationError : public Error {
 public:
  using Error::Error;
};

/// Another party aborted the barrier, timed out in it or died.
class BrokenBarrier : public Error {
 public:
  using Error::Error;
};

/// An exception that another process threw. Where its type is one of the standard library's, what is thrown here
/// derives from that type as well, and `catch (const std::invalid_argument&)` works as it would have there.
class RemoteError : public Error {
 public:
  RemoteError(const std::string& what, std::string type_name, std::string process_name, pid_t pid,
              std::vector<detail::CodePlace> thrown_at = {})
      : Error(what),
        type_name_(std::move(type_name)),
        process_name_(std::move(process_name)),
        pid_(pid),
        thrown_at_(std::move(thrown_at)) {}
  /// The exception's type as written in C++: `std::invalid_argument`.
  const std::string& type_name() const noexcept { return type_name_; }
  /// Name of the process that threw: `PoolWorker-3`.
  const std::string& process_name() const noexcept { return process_name_; }
  pid_t pid() const noexcept { return pid_; }
  /// The calls that led to the throw, the innermost first, a line each: "  fit(Params const&) (/usr/bin/model+0x51f2)", for what
  /// a pool's task threw; otherwise empty. Functions have names unless the program was stripped; for files and lines:
  /// `addr2line -Cfipe /usr/bin/model 0x51f2`. Finds the names when it is asked, which takes a moment the first time.
  std::string backtrace() const;
  const std::vector<detail::CodePlace>& thrown_at() const noexcept { return thrown_at_; }

 private:
  std::string type_name_;
  std::string process_name_;
  pid_t pid_;
  std::vector<detail::CodePlace> thrown_at_;
};

/// The worker process that ran a task died before it had a result.
class WorkerLost : public Error {
 public:
  WorkerLost(const std::string& what, pid_t pid, int exitcode) : Error(what), pid_(pid), exitcode_(exitcode) {}
  pid_t pid() const noexcept { return pid_; }
  /// As `Process::exitcode`: the exit status, or the negated number of the signal.
  int exitcode() const noexcept { return exitcode_; }

 private:
  pid_t pid_;
  int exitcode_;
};

/// A task ran longer than its `TaskOptions::timeout`.
class TaskTimeout : public Error {
 public:
  using Error::Error;
};

/// The task was cancelled.
class Cancelled : public Error {
 public:
  using Error::Error;
};

/// The pool was terminated before the task had a result.
class PoolTerminated : public Error {
 public:
  using Error::Error;
};

/// The manager's server process has died or been shut down.
class ManagerLost : public Error {
 public:
  using Error::Error;
};

/// The program used the library wrongly; the sentence says how. A bug in the caller.
class UsageError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// A callable or argument that cannot be shipped to a process that was not forked for it.
class NotShippable : public UsageError {
 public:
  using UsageError::UsageError;
};

}  // namespace ipc
