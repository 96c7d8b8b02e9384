#include "ipc/manager/pool_keeper.hpp"

#include <array>
#include <csignal>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include <ipc/detail/codec.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/pool_request.hpp>
#include <ipc/detail/result_job.hpp>
#include <ipc/error.hpp>

#include "ipc/manager/machine.hpp"
#include "ipc/manager/parcel.hpp"
#include "ipc/manager/pool_desk.hpp"
#include "ipc/manager/remote_store.hpp"
#include "ipc/process/identity.hpp"

namespace ipc::manager {

using detail::Message;
using detail::ObjectId;
using detail::Op;
using detail::PoolQuestion;
using detail::Reader;
using detail::Reply;
using detail::Request;
using detail::Writer;

namespace {

/// What a keeper is told at its birth.
struct Letter {
  explicit Letter(Message& message) {
    Reader in(message);
    access = decode_access(in);
    desk = in.raw<ObjectId>();
    terms = in.raw<detail::ManagedPoolTerms>();
    name = detail::decode<std::string>(in);
    if (in.raw<std::uint8_t>() == 0) return;
    const std::size_t size = in.remaining();
    const std::byte* begin = in.take(size);
    initializer = std::make_shared<Message>();
    initializer->bytes.assign(begin, begin + size);
    initializer->fds = std::move(message.fds);
  }

  Access access;
  ObjectId desk = 0;
  detail::ManagedPoolTerms terms;
  std::string name;
  std::shared_ptr<Message> initializer;
};

detail::PoolSettings settings_from(const Letter& letter) {
  detail::PoolSettings settings;
  settings.processes = letter.terms.processes;
  if (letter.terms.max_tasks_per_child != 0) settings.max_tasks_per_child = letter.terms.max_tasks_per_child;
  settings.start_method = letter.terms.start_method;
  settings.name = letter.name;
  settings.initializer_timeout = std::chrono::nanoseconds(letter.terms.initializer_timeout);
  if (letter.terms.max_rss != 0) settings.max_rss = static_cast<std::size_t>(letter.terms.max_rss);
  if (letter.initializer == nullptr) return settings;
  settings.initializer = [call = letter.initializer] {
    auto fds = detail::duplicates(call->fds);
    Reader in(call->bytes, fds);
    Writer nothing;
    detail::run_call(in, nothing);
  };
  settings.ship_initializer = [call = letter.initializer](Writer& out) {
    out.bytes(call->bytes.data(), call->bytes.size());
    for (Fd& fd : detail::duplicates(call->fds)) out.fd(std::move(fd));
  };
  return settings;
}

/// One pool and its connection to the server.
class PoolKeeper {
 public:
  explicit PoolKeeper(const Letter& letter) : desk_(letter.desk) {
    // First, so that the workers have no part in the connection.
    try {
      pool_ = detail::PoolCore::start(settings_from(letter));
    } catch (...) {
      failure_ = std::current_exception();
    }
    store_ = RemoteStore::connect(letter.access, detail::Deadline::never().remaining());
    Request(store_, Op::attach, desk_).send();
  }
  PoolKeeper(const PoolKeeper&) = delete;
  PoolKeeper& operator=(const PoolKeeper&) = delete;
  ~PoolKeeper() {
    if (pool_ == nullptr) return;
    pool_->terminate();
    pool_->join();
  }

  /// Until it is told to leave.
  void run() {
    while (!leaving_) {
      Reply orders = Request(store_, Op::pop, desk_).send();
      while (!orders.in().at_end()) take_order(orders);
    }
  }

 private:
  using Job = detail::CallJob<Parcel>;

  void take_order(Reply& orders) {
    const auto kind = orders.in().raw<OrderKind>();
    const auto ticket = orders.in().raw<std::uint64_t>();
    switch (kind) {
      case OrderKind::run:
        return start(ticket, orders);
      case OrderKind::withdraw:
        if (const auto job = take(ticket)) pool_->abandon(*job);
        return;
      case OrderKind::cancel:
        if (const auto job = take(ticket)) pool_->cancel(*job);
        return;
      case OrderKind::inquire: {
        const auto question = orders.in().raw<PoolQuestion>();
        return answer(ticket, question, orders.in().raw<std::int64_t>());
      }
      case OrderKind::leave:
        if (pool_ != nullptr) {
          pool_->close();
          pool_->join();
        }
        break;
      case OrderKind::stop:
        break;
    }
    leaving_ = true;
  }

  void start(std::uint64_t ticket, Reply& orders) {
    const auto header = orders.in().raw<detail::TaskHeader>();
    auto piece = orders.next();
    Parcel parcel{store_->server(), {{piece.bytes.begin(), piece.bytes.end()}, std::move(piece.fds)}, std::move(piece.references)};
    try {
      if (failure_) std::rethrow_exception(failure_);
      const auto job = std::make_shared<Job>(&run_parcel, std::move(parcel));
      job->terms = header.terms();
      {
        const std::lock_guard guard(mutex_);
        jobs_[ticket] = job;
      }
      pool_->submit(job, 0, 1, false);
      pool_->when_done(*job, [this, ticket] { report(ticket); });
    } catch (...) {
      static_cast<void>(take(ticket));
      tell_error(ticket, std::current_exception());
    }
  }

  std::shared_ptr<Job> take(std::uint64_t ticket) {
    const std::lock_guard guard(mutex_);
    const auto job = jobs_.extract(ticket);
    return job.empty() ? nullptr : job.mapped();
  }

  // By the pool's thread, or by the one that takes orders.
  void report(std::uint64_t ticket) {
    const auto job = take(ticket);
    if (job == nullptr) return;  // Nobody wants it.
    try {
      if (job->error()) std::rethrow_exception(job->error());
      Request request(store_, Op::outcome, desk_);
      const Parcel& result = job->value();
      request.raw(ticket).raw(std::uint8_t{1}).put_encoded(result.content, result.references).send();
    } catch (const ManagerLost&) {  // Whoever takes orders notices, too.
    } catch (...) {
      tell_error(ticket, std::current_exception());
    }
  }
  void tell_error(std::uint64_t ticket, const std::exception_ptr& error) {
    try {
      Request request(store_, Op::outcome, desk_);
      request.raw(ticket).raw(std::uint8_t{0});
      write_error(request.writer(), error);
      request.send();
    } catch (const ManagerLost&) {
    }
  }

  std::vector<detail::SentWorkerStats> stats() const {
    std::vector<detail::SentWorkerStats> all;
    for (auto& each : pool_->stats()) all.push_back({std::move(each)});
    return all;
  }
  void answer(std::uint64_t ticket, PoolQuestion question, std::int64_t argument) {
    try {
      if (failure_) std::rethrow_exception(failure_);
      Request request(store_, Op::outcome, desk_);
      request.raw(ticket).raw(std::uint8_t{1});
      if (question == PoolQuestion::resize) pool_->resize(static_cast<int>(argument));
      if (question == PoolQuestion::worker_pids)
        request.put(pool_->worker_pids());
      else if (question == PoolQuestion::stats)
        request.put(stats());
      else
        request.put(true);
      request.send();
    } catch (const ManagerLost&) {
    } catch (...) {
      tell_error(ticket, std::current_exception());
    }
  }

  const ObjectId desk_;
  std::shared_ptr<RemoteStore> store_;
  std::exception_ptr failure_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Job>> jobs_;  // Whose outcome the desk does not know.
  bool leaving_ = false;
  std::shared_ptr<detail::PoolCore> pool_;  // Last: its thread uses everything above.
};

int keep_pool(Message& message) {
  try {
    PoolKeeper(Letter(message)).run();
  } catch (const ManagerLost&) {  // The workers have gone with the pool.
  }
  return 0;
}

}  // namespace

Keepers::Keepers() : nursery_([](Message& letter) { return keep_pool(letter); }, process::identity().name + "Nursery") {}

void Keepers::start(ObjectId desk, const Access& access, Writer& letter) {
  Writer out;
  encode_access(out, access);
  out.bytes(letter.view().data(), letter.size());
  for (Fd& fd : letter.fds()) out.fd(std::move(fd));
  const auto child = children_.emplace(desk, nursery_.launch(process::identity().name + "Pool", out.take())).first;
  epoll_.add(child->second.pidfd(), desk);
}

void Keepers::stop(ObjectId desk) noexcept {
  const auto child = children_.find(desk);
  if (child != children_.end()) child->second.signal(SIGKILL);
}

std::vector<ObjectId> Keepers::ended() {
  std::array<std::uint64_t, 16> tags{};
  const std::size_t count = epoll_.wait(tags, false);
  std::vector<ObjectId> desks(tags.begin(), tags.begin() + static_cast<std::ptrdiff_t>(count));
  for (const ObjectId desk : desks) {
    const auto child = children_.extract(desk);
    epoll_.remove(child.mapped().pidfd());
  }
  return desks;
}

}  // namespace ipc::manager
