// Random events of every kind against a model that knows where each task is. What it would catch: a task that is lost, done
// twice, or out of order, and a worker that is killed for what it does not run.
//
// IPC_TEST_EVENTS=10000000 for a long run.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "ipc/pool/scheduler.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/watchdog.hpp"

using ipc::detail::TaskTerms;
using ipc::pool::JobId;
using ipc::pool::Scheduler;
using ipc::pool::TaskRef;
using ipc::pool::WorkerId;
using Kind = Scheduler::Action::Kind;
using Time = Scheduler::TimePoint;

namespace {

struct Task {
  TaskRef ref;
  TaskTerms terms;
  bool cancelled = false;
  Time start{};
};

struct ModelWorker {
  std::deque<Task> window;
  std::size_t begun = 0;  // Of the window; all but the last of them have results on their way.
  bool ready = false;
  bool dismissed = false;
  bool killed = false;
};

std::uint64_t most_together_seen = 0;

/// As REQUIRE, which costs more than all the rest where it stands for every task.
void must(bool holds, const char* what) {
  if (!holds) FAIL(what);
}

class History {
 public:
  explicit History(std::uint32_t seed)
      : random_(seed),
        scheduler_({.workers = 1 + random_() % 5, .max_tasks_per_child = chance(30) ? 1 + random_() % 20 : 0, .deaths_at_start = 1000000}),
        urgent_(chance(50)),
        timed_(chance(50)),
        together_(chance(50)) {}

  void run(int events) {
    perform();
    for (int i = 0; i < events; ++i) {
      event();
      perform();
    }
    scheduler_.close();
    for (int round = 0; round < 1000000 && !(workers_.empty() && scheduler_.idle()); ++round) {
      for (auto& [id, worker] : workers_) make_ready(id, worker);
      if (const auto id = any_worker()) go_on(*id);
      now_ += std::chrono::milliseconds(1);
      look_at_the_clock();
      perform();
    }
    REQUIRE(workers_.empty());
    REQUIRE(scheduler_.idle());
    REQUIRE_FALSE(scheduler_.timed());
    REQUIRE(ended_ == submitted_);
  }

 private:
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  std::optional<WorkerId> any_worker() {
    if (workers_.empty()) return std::nullopt;
    auto it = workers_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random_() % workers_.size()));
    return it->first;
  }

  void event() {
    now_ += std::chrono::microseconds(random_() % 100);
    const auto id = any_worker();
    switch (random_() % 15) {
      case 0:
      case 1:
        submit();
        break;
      case 2:
        if (id) make_ready(*id, workers_.at(*id));
        break;
      case 3:
        if (id && chance(20)) lose(*id);
        break;
      case 4:
        scheduler_.stalled();
        break;
      case 5:
        if (jobs_ != 0 && chance(10)) give_up(JobId{1 + random_() % jobs_}, chance(50));
        break;
      case 6:
        look_at_the_clock();
        break;
      case 7:
        if (chance(5)) scheduler_.resize(1 + random_() % 6);
        if (id && chance(5)) scheduler_.retire(*id);
        break;
      default:
        if (id) go_on(*id);
    }
  }

  void submit() {
    TaskTerms terms;
    if (urgent_ && chance(20)) terms.priority = static_cast<int>(random_() % 5) - 2;
    if (chance(20)) terms.retries = static_cast<unsigned>(random_() % 3);
    if (timed_ && chance(50)) terms.time_limit = std::chrono::microseconds(random_() % 500);
    if (together_ && chance(50)) terms.most_together = 1 + random_() % 40;
    const std::uint64_t count = random_() % (together_ ? 300 : 30);
    const JobId job{++jobs_};
    scheduler_.submit(job, 0, count, terms);
    for (std::uint64_t i = 0; i < count; ++i) pending_[-terms.priority].push_back({{job, i}, terms});
    submitted_ += count;
    outcomes_.emplace_back(count);
  }

  void make_ready(WorkerId id, ModelWorker& worker) {
    if (worker.ready) return;
    worker.ready = true;
    scheduler_.worker_ready(id);
  }

  /// The worker begins its next task, or the result of its oldest arrives, or it leaves.
  void go_on(WorkerId id) {
    ModelWorker& worker = workers_.at(id);
    if (worker.killed || (worker.dismissed && worker.window.empty())) {
      lose(id);
    } else if (worker.begun != 0 && (chance(60) || worker.begun == worker.window.size())) {
      finish_front(id, worker);
    } else if (worker.begun < worker.window.size()) {
      worker.window[worker.begun++].start = now_;
    }
  }

  void finish_front(WorkerId id, ModelWorker& worker) {
    // Short ones are let grow.
    const auto each = worker.window.front().terms.most_together == 1 ? random_() % 2000000 : random_() % 20000;
    const TaskRef task = scheduler_.finished(id, std::chrono::nanoseconds(each * worker.window.front().ref.count));
    must(task == worker.window.front().ref, "the front of the window ends");
    end(task);
    worker.window.pop_front();
    --worker.begun;
  }

  void lose(WorkerId id) {
    ModelWorker& worker = workers_.at(id);
    // The results of what was done before are there; the last may just have been sent.
    while (worker.begun > 1 || (worker.begun == 1 && chance(30))) finish_front(id, worker);
    const bool started = worker.begun == 1;
    const auto loss = scheduler_.worker_lost(id, started, chance(50));
    for (std::size_t i = worker.window.size(); i > (started ? 1 : 0); --i) back_to_pending(worker.window[i - 1]);
    std::multiset<TaskRef> cancelled(loss.cancelled.begin(), loss.cancelled.end());
    for (const Task& task : worker.window) {
      if (task.cancelled) REQUIRE(cancelled.erase(task.ref) == 1);
    }
    REQUIRE(cancelled.empty());
    for (const TaskRef& task : loss.cancelled) end(task);
    if (started && !worker.window.front().cancelled) {
      Task front = worker.window.front();
      REQUIRE(loss.retried == (front.terms.retries != 0));
      if (loss.retried) {
        --front.terms.retries;
        back_to_pending(front);
      } else {
        REQUIRE(loss.running == front.ref);
        end(front.ref);
      }
    } else {
      REQUIRE_FALSE(loss.running);
      REQUIRE_FALSE(loss.retried);
    }
    workers_.erase(id);
  }

  void give_up(JobId job, bool entirely) {
    for (const TaskRef& tasks : entirely ? scheduler_.cancel(job) : scheduler_.withdraw(job)) end(tasks);
    for (auto& [priority, tasks] : pending_) std::erase_if(tasks, [&](const Task& task) { return task.ref.job == job; });
    if (!entirely) return;
    for (auto& [id, worker] : workers_) {
      for (Task& task : worker.window) task.cancelled = task.cancelled || task.ref.job == job;
    }
  }

  void look_at_the_clock() {
    for (auto& [id, worker] : workers_) {
      if (worker.begun != 0) scheduler_.began(id, worker.window[worker.begun - 1].start);
    }
    const auto next = scheduler_.time_is(now_);
    if (next) must(*next >= now_, "what is due has been ordered");
  }

  void perform() {
    for (bool more = true; more;) {
      more = false;
      while (const auto action = scheduler_.next_action()) {
        more = true;
        act(*action);
      }
      while (const auto next = scheduler_.next_hand_over()) {
        more = true;
        hand_over(*next);
      }
    }
  }

  void act(const Scheduler::Action& action) {
    if (action.kind == Kind::start) {
      workers_[action.worker];
      return;
    }
    const auto found = workers_.find(action.worker);
    if (found == workers_.end()) return;
    ModelWorker& worker = found->second;
    switch (action.kind) {
      case Kind::start:
        break;
      case Kind::dismiss:
        worker.dismissed = true;
        break;
      case Kind::take_back: {
        // It may begin one more in this very moment.
        if (worker.begun < worker.window.size() && chance(30)) worker.window[worker.begun++].start = now_;
        std::multiset<TaskRef> expected;
        for (std::size_t i = worker.window.size(); i > worker.begun; --i) {
          back_to_pending(worker.window[i - 1]);
          if (worker.window[i - 1].cancelled) expected.insert(worker.window[i - 1].ref);
        }
        const auto cancelled = scheduler_.taken_back(action.worker, worker.window.size() - worker.begun);
        REQUIRE(std::multiset<TaskRef>(cancelled.begin(), cancelled.end()) == expected);
        for (const TaskRef& task : cancelled) end(task);
        worker.window.resize(worker.begun);
        break;
      }
      case Kind::kill:
        if (worker.begun != 0) {
          REQUIRE(worker.begun == worker.window.size());
          const Task& last = worker.window.back();
          REQUIRE((last.cancelled || (last.terms.timed() && last.start + last.terms.time_limit <= now_)));
        }
        worker.killed = true;
        break;
    }
  }

  void hand_over(const Scheduler::HandOver& next) {
    ModelWorker& worker = workers_.at(next.worker);
    must(worker.ready && !worker.killed, "who gets a task can do it");
    auto level = pending_.begin();
    while (level->second.empty()) ++level;
    Task task = level->second.front();
    task.ref.count = next.task.count;
    must(task.ref == next.task && task.ref.count <= task.terms.most_together, "the first of the most urgent goes next");
    bool in_order = true;
    for (std::uint64_t i = 0; i < task.ref.count; ++i) {
      const Task& front = level->second.front();
      in_order = in_order && front.ref == TaskRef{task.ref.job, task.ref.index + i} && front.terms == task.terms;
      level->second.pop_front();
    }
    must(in_order, "tasks that go together are neighbours");
    most_together_seen = std::max(most_together_seen, task.ref.count);
    if (chance(1)) {
      scheduler_.not_handed_over(next.worker);
      end(next.task);
    } else {
      worker.window.push_back(task);
    }
  }

  void back_to_pending(const Task& task) {
    if (task.cancelled) return;
    for (std::uint64_t i = task.ref.count; i-- != 0;) {
      pending_[-task.terms.priority].push_front({{task.ref.job, task.ref.index + i}, task.terms});
    }
  }
  void end(const TaskRef& task) {
    auto& outcomes = outcomes_[static_cast<std::size_t>(task.job) - 1];
    const auto first = outcomes.begin() + static_cast<std::ptrdiff_t>(task.index);
    const auto last = first + static_cast<std::ptrdiff_t>(task.count);
    must(std::find(first, last, true) == last, "a task ends once");
    std::fill(first, last, true);
    ended_ += task.count;
  }

  std::mt19937 random_;
  Scheduler scheduler_;
  bool urgent_;
  bool timed_;
  bool together_;
  Time now_{};
  std::map<WorkerId, ModelWorker> workers_;
  std::map<int, std::deque<Task>> pending_;  // By negated priority.
  std::vector<std::vector<bool>> outcomes_;
  std::uint64_t jobs_ = 0;
  std::uint64_t submitted_ = 0;
  std::uint64_t ended_ = 0;
};

}  // namespace

TEST_CASE("scheduler: no random history loses, duplicates or reorders a task, or kills for another's") {
  const char* wanted = std::getenv("IPC_TEST_EVENTS");
  const long events = wanted == nullptr ? 200'000 : std::atol(wanted);
  constexpr int each = 400;
  for (long history = 0; history < (events + each - 1) / each; ++history) {
    if (history % 100 == 0) ipc::test::arm_watchdog("scheduler: random history " + std::to_string(history));
    History(static_cast<std::uint32_t>(history)).run(each);
  }
  CHECK(most_together_seen > 16);
}
