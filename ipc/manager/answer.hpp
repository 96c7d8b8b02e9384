#pragma once

#include <cstddef>
#include <exception>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/served.hpp>
#include <ipc/detail/writer.hpp>

namespace ipc::manager {

struct Session;

/// What a client is told on a request. It begins as `done`, and becomes an error, or `nothing`, in place of what was written.
/// References that go to the client with it are its session's at once; they are taken back from an answer that becomes something
/// else, or ends before it was closed. One thread.
class Answer {
 public:
  Answer(detail::Writer& out, Session& session);
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  ~Answer() { take_back(0); }

  template <class T>
  void raw(const T& value) {
    out_.raw(value);
  }
  void bytes(const void* data, std::size_t size) { out_.bytes(data, size); }
  /// The client gets a reference to each object in it. When this throws, nothing of the element is in the answer.
  void put(const detail::Element& element);
  void nothing();
  /// The lock's id is to follow.
  void locked();
  void fail(const std::exception_ptr& error) noexcept;
  /// As `write_error` wrote it.
  void fail(const Bytes& error);
  /// Nothing comes behind: from now on the references are the client's.
  void close() noexcept;

  std::size_t size() const noexcept { return out_.size(); }
  /// Takes back what was written after it had this size, in which there is no element.
  void truncate(std::size_t size) noexcept { out_.truncate(size, out_.fds().size()); }
  detail::Writer& writer() noexcept { return out_; }

 private:
  void take_back(std::size_t granted) noexcept;

  detail::Writer& out_;
  Session& session_;
  std::vector<detail::ObjectId> granted_;
};

/// What code of a client's threw, as opposed to the server: it goes back as thrown there, whatever it is.
struct Thrown {
  Bytes answer;  ///< As `write_error` writes it.
};

/// What `exception_of` understands.
void write_error(detail::Writer& out, const std::exception_ptr& error);
Bytes bytes_of_error(const std::exception_ptr& error);

}  // namespace ipc::manager
