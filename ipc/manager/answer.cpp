#include "ipc/manager/answer.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <ipc/detail/exception.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/error.hpp>

#include "ipc/manager/machine.hpp"
#include "ipc/os/current.hpp"
#include "ipc/process/identity.hpp"

namespace ipc::manager {

using detail::Element;
using detail::Outcome;
using detail::Writer;

Answer::Answer(Writer& out, Session& session) : out_(out), session_(session) { out_.raw(Outcome::done); }

void Answer::put(const Element& element) {
  detail::ElementHeader header;
  header.size = static_cast<std::uint32_t>(element.bytes.size());
  const auto* baggage = element.baggage.get();
  if (baggage != nullptr) {
    header.fds = static_cast<std::uint16_t>(baggage->fds.size());
    header.objects = static_cast<std::uint16_t>(baggage->objects.size());
  }
  const std::size_t size = out_.size();
  const std::size_t fds = out_.fds().size();
  const std::size_t granted = granted_.size();
  try {
    out_.raw(header);
    out_.bytes(element.bytes.data(), element.bytes.size());
    if (baggage == nullptr) return;
    granted_.reserve(granted + baggage->objects.size());
    for (const auto& object : baggage->objects) {
      out_.raw(object->id);
      Machine::refer(session_, std::static_pointer_cast<Object>(object));
      granted_.push_back(object->id);
    }
    for (Fd& fd : detail::duplicates(baggage->fds)) out_.fd(std::move(fd));
  } catch (...) {
    out_.truncate(size, fds);
    take_back(granted);
    throw;
  }
}

void Answer::take_back(std::size_t granted) noexcept {
  while (granted_.size() > granted) {
    const auto object = granted_.back();
    granted_.pop_back();
    Machine::release(session_, object, 1);
  }
}

void Answer::nothing() {
  take_back(0);
  out_.truncate(0, 0);
  out_.raw(Outcome::nothing);
}

void Answer::locked() {
  take_back(0);
  out_.truncate(0, 0);
  out_.raw(Outcome::locked);
}

void Answer::fail(const std::exception_ptr& error) noexcept {
  take_back(0);
  out_.truncate(0, 0);
  try {
    write_error(out_, error);
  } catch (...) {  // There is always room for one byte.
    out_.truncate(0, 0);
    out_.raw(Outcome::failed);
  }
}

void Answer::fail(const Bytes& error) {
  take_back(0);
  out_.truncate(0, 0);
  out_.bytes(error.data(), error.size());
}

void Answer::close() noexcept {
  if (granted_.empty()) return;
  try {
    for (const auto object : granted_) out_.raw(object);
    out_.raw(static_cast<std::uint32_t>(granted_.size()));
    *out_.at(0) = static_cast<std::byte>(Outcome::done_granting);
    granted_.clear();
  } catch (...) {
    fail(std::current_exception());
  }
}

namespace {

void write_sentence(Writer& out, Outcome outcome, const char* sentence) {
  out.raw(outcome);
  out.bytes(sentence, std::char_traits<char>::length(sentence));
}

}  // namespace

void write_error(Writer& out, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Thrown& thrown) {
    out.bytes(thrown.answer.data(), thrown.answer.size());
  } catch (const RemoteError&) {  // By code of a client's, in a worker of a pool.
    out.raw(Outcome::thrown);
    detail::encode_exception(out, error, process::identity().name, os::process_id());
  } catch (const WorkerLost& e) {
    out.raw(Outcome::worker_lost);
    out.raw(static_cast<std::int32_t>(e.pid()));
    out.raw(static_cast<std::int32_t>(e.exitcode()));
    out.bytes(e.what(), std::char_traits<char>::length(e.what()));
  } catch (const TaskTimeout& e) {
    write_sentence(out, Outcome::task_timeout, e.what());
  } catch (const TimeoutError& e) {
    write_sentence(out, Outcome::timeout_error, e.what());
  } catch (const Cancelled& e) {
    write_sentence(out, Outcome::cancelled, e.what());
  } catch (const PoolTerminated& e) {
    write_sentence(out, Outcome::pool_terminated, e.what());
  } catch (const UsageError& e) {
    write_sentence(out, Outcome::usage_error, e.what());
  } catch (const BrokenBarrier& e) {
    write_sentence(out, Outcome::broken_barrier, e.what());
  } catch (const ShutDown& e) {
    write_sentence(out, Outcome::shut_down, e.what());
  } catch (const EncodingError& e) {
    write_sentence(out, Outcome::encoding_error, e.what());
  } catch (...) {  // Of the standard library's.
    out.raw(Outcome::thrown);
    detail::encode_exception(out, error, process::identity().name, os::process_id());
  }
}

Bytes bytes_of_error(const std::exception_ptr& error) {
  Writer out;
  write_error(out, error);
  return out.take().bytes;
}

}  // namespace ipc::manager
