#include "ipc/pool/scheduler.hpp"

#include <algorithm>
#include <chrono>
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

TEST_CASE("scheduler: knows how long a worker is likely to be busy") {
  Scheduler scheduler({.workers = 1, .least_window = 3});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 4, {.most_together = 4});
  CHECK_FALSE(scheduler.busy_for(worker, 0ns));
  CHECK(all_hand_overs(scheduler).size() >= 2);
  // Of what has never ended nothing is known.
  CHECK_FALSE(scheduler.busy_for(worker, 1s));
  scheduler.finished(worker, 10us);
  all_hand_overs(scheduler);
  const auto tasks = static_cast<int>(4 - 1 - scheduler.pending());
  CHECK(scheduler.busy_for(worker, 10us * tasks - 1us));
  CHECK_FALSE(scheduler.busy_for(worker, 10us * tasks + 1us));
  while (!scheduler.idle()) {
    scheduler.finished(worker, 10us);
    all_hand_overs(scheduler);
  }
  CHECK_FALSE(scheduler.busy_for(worker, 0ns));
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

// Catches a driver that hands the same tasks out and takes them back for ever while those who could do them wait for its CPU.
TEST_CASE("scheduler: what an idle worker takes over goes to it, and round among the idle only once until something happens") {
  Scheduler scheduler({.workers = 2});
  const auto workers = start_all(scheduler);
  const WorkerId quick = workers[0];
  const WorkerId slow = workers[1];
  scheduler.submit(job, 0, 1000, {.most_together = 1000});
  all_hand_overs(scheduler);
  // Until the slow one has two pieces of many; then it does nothing more.
  for (int round = 0; round < 3; ++round) {
    for (const WorkerId worker : workers) {
      while (scheduler.held(worker) != 0) scheduler.finished(worker, 1us);
    }
    all_hand_overs(scheduler);
  }
  while (scheduler.held(quick) != 0) {
    scheduler.finished(quick, 1us);
    all_hand_overs(scheduler);
  }
  REQUIRE(scheduler.held(slow) >= 2);
  const auto all_taken_over = [&](WorkerId from) {
    scheduler.stalled();
    const auto action = scheduler.next_action();
    if (!action) return false;
    CHECK(action->kind == Kind::take_back);
    CHECK(action->worker == from);
    scheduler.taken_back(from, scheduler.held(from));
    for (const auto& given : all_hand_overs(scheduler)) CHECK(given.worker != from);
    return true;
  };
  CHECK(all_taken_over(slow));
  CHECK(all_taken_over(quick));
  CHECK_FALSE(all_taken_over(slow));
  // A worker that is new is news.
  scheduler.resize(3);
  start_all(scheduler);
  CHECK(all_taken_over(slow));
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

TEST_CASE("scheduler: urgent tasks go first, and those that wait in a window give way to them") {
  Scheduler scheduler({.workers = 1, .least_window = 3});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 6);
  const auto given = all_hand_overs(scheduler);
  REQUIRE(given.size() == 3);
  scheduler.submit(JobId{8}, 0, 1, {.priority = 1});
  const auto action = scheduler.next_action();
  REQUIRE(action);
  CHECK(action->kind == Kind::take_back);
  CHECK(scheduler.taken_back(worker, 2).empty());
  std::vector<TaskRef> next;
  for (const auto& hand_over : all_hand_overs(scheduler)) next.push_back(hand_over.task);
  CHECK(next == std::vector<TaskRef>{{JobId{8}, 0}, {job, 1}});
}

TEST_CASE("scheduler: a task that lost its worker is tried again as often as it said, before all others") {
  Scheduler scheduler({.workers = 1});
  scheduler.submit(job, 0, 2, {.retries = 2});
  for (int attempt = 0; attempt < 3; ++attempt) {
    const WorkerId worker = start_all(scheduler).front();
    CHECK(all_hand_overs(scheduler).front().task.index == 0);
    const auto loss = scheduler.worker_lost(worker, true);
    CHECK(loss.retried == (attempt < 2));
    CHECK(loss.running.has_value() == (attempt == 2));
  }
}

TEST_CASE("scheduler: an overdue task costs its worker, after everything behind it was taken back") {
  Scheduler scheduler({.workers = 1, .least_window = 2});
  const WorkerId worker = start_all(scheduler).front();
  const Scheduler::TimePoint start{};
  scheduler.submit(job, 0, 1, {.time_limit = 1s});
  scheduler.submit(job, 1, 3);
  all_hand_overs(scheduler);
  CHECK(scheduler.time_is(start) == start + 1s);
  scheduler.began(worker, start + 500ms);
  CHECK(scheduler.time_is(start + 1s) == start + 1500ms);
  CHECK_FALSE(scheduler.next_action());
  CHECK_FALSE(scheduler.time_is(start + 1500ms));
  CHECK(scheduler.next_action()->kind == Kind::take_back);
  scheduler.taken_back(worker, scheduler.held(worker) - 1);
  CHECK(scheduler.next_action()->kind == Kind::kill);
  CHECK_FALSE(scheduler.next_hand_over());
  const auto loss = scheduler.worker_lost(worker, true);
  CHECK(loss.cause == Scheduler::Cause::overran);
  REQUIRE(loss.running);
  CHECK(loss.running->index == 0);
}

TEST_CASE("scheduler: a worker that has gone on to another task is not killed for an overdue one") {
  Scheduler scheduler({.workers = 1, .least_window = 2});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 1, {.time_limit = 1s});
  scheduler.submit(job, 1, 3);
  all_hand_overs(scheduler);
  scheduler.began(worker, {});
  scheduler.time_is(Scheduler::TimePoint{} + 2s);
  CHECK(scheduler.next_action()->kind == Kind::take_back);
  // It began the second one in this very moment.
  scheduler.taken_back(worker, scheduler.held(worker) - 2);
  CHECK_FALSE(scheduler.next_action());
}

TEST_CASE("scheduler: cancelled tasks are forgotten, taken back, or killed with their worker") {
  Scheduler scheduler({.workers = 1, .least_window = 3});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 6);
  REQUIRE(all_hand_overs(scheduler).size() == 3);
  CHECK(scheduler.cancel(job) == std::vector<TaskRef>{{job, 3, 3}});
  CHECK(scheduler.next_action()->kind == Kind::take_back);
  CHECK(scheduler.taken_back(worker, 2).size() == 2);
  CHECK(scheduler.next_action()->kind == Kind::kill);
  const auto loss = scheduler.worker_lost(worker, true);
  CHECK_FALSE(loss.running);
  CHECK(loss.cancelled.size() == 1);
  CHECK(scheduler.idle());
}

TEST_CASE("scheduler: it is told to have more workers, or fewer, and nothing is lost") {
  Scheduler scheduler({.workers = 2});
  start_all(scheduler);
  scheduler.submit(job, 0, 4);
  const std::size_t given = all_hand_overs(scheduler).size();
  REQUIRE(given >= 2);
  scheduler.resize(3);
  const auto more = scheduler.next_action();
  REQUIRE(more);
  CHECK(more->kind == Kind::start);
  scheduler.resize(1);
  std::set<WorkerId> dismissed;
  while (const auto action = scheduler.next_action()) {
    if (action->kind == Kind::dismiss) dismissed.insert(action->worker);
    if (action->kind == Kind::take_back) scheduler.taken_back(action->worker, scheduler.held(action->worker));
  }
  CHECK(dismissed.size() == 2);
  CHECK(dismissed.count(more->worker) == 1);
  for (const WorkerId worker : dismissed) CHECK_FALSE(scheduler.worker_lost(worker, false).replaced);
  CHECK(scheduler.workers() == 1);
}

TEST_CASE("scheduler: workers that die idle again and again are replaced more and more slowly") {
  Scheduler scheduler({.workers = 1, .idle_deaths = 3});
  Scheduler::TimePoint now{};
  auto delay = 0ns;
  for (int deaths = 1; deaths <= 8; ++deaths) {
    const auto start = scheduler.next_action();
    REQUIRE(start);
    scheduler.worker_ready(start->worker);
    const auto loss = scheduler.worker_lost(start->worker, false);
    CHECK(loss.replaced);
    CHECK(loss.slowed == (deaths >= 3));
    if (!loss.slowed) continue;
    CHECK_FALSE(scheduler.next_action());
    REQUIRE(scheduler.timed());
    const auto due = scheduler.time_is(now);
    REQUIRE(due);
    CHECK(*due - now > delay);
    delay = *due - now;
    now = *due;
    scheduler.time_is(now);
  }
}

TEST_CASE("scheduler: a worker that is not ready in time is killed, and makes it hopeless") {
  Scheduler scheduler({.workers = 1, .start_limit = 1s});
  const auto start = scheduler.next_action();
  scheduler.worker_started(start->worker, {});
  REQUIRE(scheduler.timed());
  CHECK(scheduler.time_is(Scheduler::TimePoint{} + 500ms) == Scheduler::TimePoint{} + 1s);
  CHECK_FALSE(scheduler.next_action());
  scheduler.time_is(Scheduler::TimePoint{} + 1s);
  CHECK(scheduler.next_action()->kind == Kind::kill);
  CHECK(scheduler.worker_lost(start->worker, false, true).hopeless);
}

TEST_CASE("scheduler: neighbours go together once the job has shown that its tasks are short") {
  Scheduler scheduler({.workers = 1});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 1'000'000, {.most_together = 5000});
  std::uint64_t last = 0;
  std::uint64_t next = 0;
  while (last < 5000) {
    const auto given = scheduler.next_hand_over();
    REQUIRE(given);
    CHECK(given->task.index == next);
    // Four times as many, or sixteen times where even these are done in ten microseconds.
    const std::uint64_t times = 10ns * 16 * last <= SchedulerLimits{}.least_piece_time ? 16 : 4;
    CHECK(given->task.count <= std::max<std::uint64_t>(times * last, 1));
    last = given->task.count;
    next += last;
    while (const auto more = scheduler.next_hand_over()) next += more->task.count;
    while (scheduler.held(worker) != 0) scheduler.finished(worker, 10ns * last);
  }
  // One that takes long makes them small again.
  scheduler.next_hand_over();
  while (scheduler.held(worker) != 0) scheduler.finished(worker, 10s);
  CHECK(scheduler.next_hand_over()->task.count == 1);
}

TEST_CASE("scheduler: a piece whose worker died is tried again as a whole, and fails as a whole") {
  Scheduler scheduler({.workers = 1});
  WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 1000, {.retries = 1, .most_together = 1000});
  TaskRef piece;
  while (piece.count < 16) {
    while (scheduler.held(worker) != 0) scheduler.finished(worker, 1us * scheduler.front(worker)->count);
    REQUIRE(scheduler.next_hand_over());
    piece = *scheduler.front(worker);
  }
  CHECK(scheduler.worker_lost(worker, true).retried);
  worker = start_all(scheduler).front();
  CHECK(scheduler.next_hand_over()->task == piece);
  CHECK(scheduler.worker_lost(worker, true).running == piece);
}

TEST_CASE("scheduler: who was dismissed and does not leave is killed when its time is over") {
  Scheduler scheduler({.workers = 1, .exit_limit = 5s});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 1);
  REQUIRE(scheduler.next_hand_over());
  CHECK_FALSE(scheduler.timed());
  scheduler.retire(worker);
  while (const auto action = scheduler.next_action()) {
    if (action->kind == Kind::take_back) scheduler.taken_back(worker, 0);
  }
  CHECK(scheduler.timed());
  // Not while it runs something.
  const Scheduler::TimePoint begin{};
  CHECK_FALSE(scheduler.time_is(begin + 1h));
  scheduler.finished(worker, 1h);
  CHECK(scheduler.time_is(begin + 1h) == begin + 1h + 5s);
  CHECK_FALSE(scheduler.has_orders());
  scheduler.time_is(begin + 1h + 5s);
  const auto kill = scheduler.next_action();
  REQUIRE(kill);
  CHECK(kill->kind == Kind::kill);
  const auto loss = scheduler.worker_lost(worker, false, true);
  CHECK(loss.cause == Scheduler::Cause::overran);
  CHECK(loss.replaced);
  CHECK_FALSE(scheduler.timed());
}

TEST_CASE("scheduler: heavy tasks do not go together") {
  Scheduler scheduler({.workers = 1, .piece_bytes = 1000});
  const WorkerId worker = start_all(scheduler).front();
  scheduler.submit(job, 0, 1'000'000, {.most_together = 5000});
  std::uint64_t most = 0;
  for (int round = 0; round < 20; ++round) {
    while (const auto given = scheduler.next_hand_over()) {
      most = std::max(most, given->task.count);
      scheduler.weighed(worker, 10 * given->task.count);
    }
    while (scheduler.held(worker) != 0) {
      scheduler.result_weighed(worker, 100 * scheduler.front(worker)->count);
      scheduler.finished(worker, 10ns);
    }
  }
  CHECK(most == 10);
}
