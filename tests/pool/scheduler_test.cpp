#include "ipc/pool/scheduler.hpp"

#include <deque>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using ipc::pool::JobId;
using ipc::pool::Scheduler;
using ipc::pool::SchedulerLimits;
using ipc::pool::TaskRef;
using ipc::pool::WorkerId;
using Kind = Scheduler::Action::Kind;

namespace {

constexpr JobId job{7};

std::vector<WorkerId> start_all(Scheduler& scheduler) {
  std::vector<WorkerId> workers;
  while (const auto action = scheduler.next_action()) {
    REQUIRE(action->kind == Kind::start);
    workers.push_back(action->worker);
  }
  for (const WorkerId worker : workers) scheduler.worker_ready(worker);
  return workers;
}

std::vector<Scheduler::HandOver> all_hand_overs(Scheduler& scheduler) {
  std::vector<Scheduler::HandOver> all;
  while (const auto next = scheduler.next_hand_over()) all.push_back(*next);
  return all;
}

}  // namespace

TEST_CASE("scheduler: starts as many workers as it was told to") {
  Scheduler scheduler({.workers = 3});
  CHECK(start_all(scheduler).size() == 3);
}

TEST_CASE("scheduler: gives nothing to a worker that is not ready") {
  Scheduler scheduler({.workers = 1});
  const auto start = scheduler.next_action();
  scheduler.submit(job, 0, 1);
  CHECK_FALSE(scheduler.next_hand_over());
  scheduler.worker_ready(start->worker);
  CHECK(scheduler.next_hand_over());
}

TEST_CASE("scheduler: spreads few tasks over the workers instead of queueing them behind one") {
  Scheduler scheduler({.workers = 4});
  start_all(scheduler);
  scheduler.submit(job, 0, 4);
  std::set<WorkerId> busy;
  for (const auto& next : all_hand_overs(scheduler)) busy.insert(next.worker);
  CHECK(busy.size() == 4);
}

TEST_CASE("scheduler: windows grow with short tasks and shrink with long ones") {
  Scheduler scheduler({.workers = 1});
  const WorkerId worker = start_all(scheduler).front();
  const std::size_t at_first = scheduler.window();
  scheduler.submit(job, 0, 1000);
  all_hand_overs(scheduler);
  scheduler.finished(worker, 1us);
  CHECK(scheduler.window() > at_first);
  for (int i = 0; i < 100; ++i) {
    all_hand_overs(scheduler);
    scheduler.finished(worker, 10ms);
  }
  CHECK(scheduler.window() == SchedulerLimits{}.least_window);
}

TEST_CASE("scheduler: a dead worker costs the task it was running, and the rest of its window goes first elsewhere") {
  Scheduler scheduler({.workers = 1, .least_window = 3});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 10);
  const auto given = all_hand_overs(scheduler);
  REQUIRE(given.size() >= 2);
  const auto loss = scheduler.worker_lost(worker, true);
  REQUIRE(loss.running);
  CHECK(loss.running->index == 0);
  CHECK(loss.replaced);
  start_all(scheduler);
  CHECK(all_hand_overs(scheduler).front().task.index == 1);
}

TEST_CASE("scheduler: a worker that dies between tasks costs none") {
  Scheduler scheduler({.workers = 1});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 1);
  all_hand_overs(scheduler);
  const auto loss = scheduler.worker_lost(worker, false);
  CHECK_FALSE(loss.running);
  start_all(scheduler);
  CHECK(all_hand_overs(scheduler).front().task.index == 0);
}

TEST_CASE("scheduler: an idle worker takes over what waits behind a long task once the driver stalls") {
  Scheduler scheduler({.workers = 2, .least_window = 2});
  const auto workers = start_all(scheduler);
  scheduler.submit(job, 0, 8);
  auto given = all_hand_overs(scheduler);
  // One worker goes through all of its tasks and all that follow; the other is still at its first.
  const WorkerId quick = given.back().worker;
  const WorkerId slow = quick == workers[0] ? workers[1] : workers[0];
  while (scheduler.held(quick) != 0) {
    scheduler.finished(quick, 1ms);
    all_hand_overs(scheduler);
  }
  const std::size_t waiting = scheduler.held(slow);
  if (waiting < 2) return;
  scheduler.stalled();
  const auto action = scheduler.next_action();
  REQUIRE(action);
  CHECK(action->kind == Kind::take_back);
  CHECK(action->worker == slow);
  scheduler.taken_back(slow, waiting - 1);
  CHECK(all_hand_overs(scheduler).front().worker == quick);
}

TEST_CASE("scheduler: a worker is dismissed after max_tasks_per_child tasks, and replaced") {
  Scheduler scheduler({.workers = 1, .max_tasks_per_child = 2});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 5);
  std::size_t done = 0;
  std::optional<Scheduler::Action> action;
  while (!(action = scheduler.next_action())) {
    all_hand_overs(scheduler);
    if (scheduler.held(worker) == 0) break;
    scheduler.finished(worker, 1us);
    ++done;
  }
  REQUIRE(action);
  CHECK(action->kind == Kind::dismiss);
  while (scheduler.held(worker) != 0) {
    scheduler.finished(worker, 1us);
    ++done;
  }
  CHECK(done == 2);
  CHECK(scheduler.worker_lost(worker, false).replaced);
}

TEST_CASE("scheduler: once closed it dismisses everybody, but not before the work is done") {
  Scheduler scheduler({.workers = 2});
  const auto workers = start_all(scheduler);
  scheduler.submit(job, 0, 1);
  const auto given = all_hand_overs(scheduler);
  scheduler.close();
  CHECK_FALSE(scheduler.next_action());
  scheduler.finished(given.front().worker, 1us);
  std::set<WorkerId> dismissed;
  while (const auto action = scheduler.next_action()) {
    CHECK(action->kind == Kind::dismiss);
    dismissed.insert(action->worker);
  }
  CHECK(dismissed.size() == workers.size());
  CHECK_FALSE(scheduler.worker_lost(workers[0], false).replaced);
}

TEST_CASE("scheduler: workers that keep dying before they are ready are not replaced for ever") {
  Scheduler scheduler({.workers = 1, .deaths_at_start = 3});
  for (int deaths = 1;; ++deaths) {
    const auto start = scheduler.next_action();
    REQUIRE(start);
    if (scheduler.worker_lost(start->worker, false).hopeless) {
      CHECK(deaths == 3);
      return;
    }
    REQUIRE(deaths < 3);
  }
}

// Random events of every kind against a model that knows where each task is. What it would catch: a task that is lost,
// done twice, or given to a worker out of order.
TEST_CASE("scheduler: no random history loses, duplicates or reorders a task") {
  std::mt19937 random(20240229);
  const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
  for (int history = 0; history < 200; ++history) {
    Scheduler scheduler(
        {.workers = 1 + random() % 5, .max_tasks_per_child = chance(30) ? 1 + random() % 20 : 0, .deaths_at_start = 1000000});
    std::map<WorkerId, std::deque<TaskRef>> windows;
    std::set<WorkerId> ready;
    std::set<WorkerId> leaving;
    std::map<TaskRef, int> outcomes;
    std::set<TaskRef> withdrawn;
    std::uint64_t jobs = 0;
    std::uint64_t submitted = 0;
    bool closed = false;
    const auto any_worker = [&]() -> std::optional<WorkerId> {
      if (windows.empty()) return std::nullopt;
      auto it = windows.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random() % windows.size()));
      return it->first;
    };
    const auto perform = [&] {
      for (bool more = true; more;) {
        more = false;
        while (const auto action = scheduler.next_action()) {
          more = true;
          if (action->kind == Kind::start) windows[action->worker];
          if (action->kind == Kind::dismiss) leaving.insert(action->worker);
          if (action->kind == Kind::take_back) {
            auto& window = windows[action->worker];
            const std::size_t begun = window.empty() ? 0 : random() % (window.size() + 1);
            scheduler.taken_back(action->worker, window.size() - begun);
            window.resize(begun);
          }
        }
        while (const auto next = scheduler.next_hand_over()) {
          more = true;
          REQUIRE(ready.count(next->worker) == 1);
          if (chance(1)) {
            scheduler.not_handed_over(next->worker);
            ++outcomes[next->task];
          } else {
            windows[next->worker].push_back(next->task);
          }
        }
      }
    };
    const auto lose = [&](WorkerId worker) {
      auto& window = windows[worker];
      const bool begun = !window.empty() && chance(70);
      const auto loss = scheduler.worker_lost(worker, begun);
      REQUIRE(loss.running.has_value() == begun);
      if (begun) {
        REQUIRE(*loss.running == window.front());
        ++outcomes[window.front()];
      }
      windows.erase(worker);
      ready.erase(worker);
      leaving.erase(worker);
    };
    const auto end_one = [&](WorkerId worker) {
      auto& window = windows[worker];
      if (window.empty()) {
        if (leaving.count(worker) == 1) lose(worker);
        return;
      }
      const TaskRef task = scheduler.finished(worker, std::chrono::nanoseconds(random() % 2000000));
      REQUIRE(task == window.front());
      window.pop_front();
      ++outcomes[task];
    };
    perform();
    for (int event = 0; event < 400; ++event) {
      const auto worker = any_worker();
      switch (random() % 10) {
        case 0:
        case 1:
          if (!closed) {
            const std::uint64_t count = random() % 30;
            scheduler.submit(JobId{++jobs}, 0, count);
            submitted += count;
          }
          break;
        case 2:
          if (worker && ready.insert(*worker).second) scheduler.worker_ready(*worker);
          break;
        case 3:
          if (worker && chance(20)) lose(*worker);
          break;
        case 4:
          scheduler.stalled();
          break;
        case 5:
          if (jobs != 0 && chance(10)) {
            const JobId which{1 + random() % jobs};
            for (const auto index : scheduler.withdraw(which)) REQUIRE(withdrawn.insert({which, index}).second);
          }
          break;
        default:
          if (worker) end_one(*worker);
      }
      perform();
    }
    scheduler.close();
    closed = true;
    for (int round = 0; round < 100000 && !windows.empty(); ++round) {
      for (const auto& [worker, window] : windows) {
        if (ready.insert(worker).second) scheduler.worker_ready(worker);
      }
      perform();
      if (const auto worker = any_worker()) end_one(*worker);
      perform();
    }
    REQUIRE(windows.empty());
    REQUIRE(scheduler.idle());
    for (const auto& [task, times] : outcomes) REQUIRE(times == 1);
    REQUIRE(outcomes.size() + withdrawn.size() == submitted);
  }
}
