// Jobs for workers on other hosts: a server that any number of workers reach over TCP, and that gives a job to another
// worker when the one that took it dies, or its host cannot be reached any more.
//
//   distributed_jobs serve tcp://0.0.0.0:5000 KEY JOBS    on one host; prints its address, then the sum of the results
//   distributed_jobs work tcp://HOST:5000 KEY [SECONDS]   on as many others as there are; each job takes so long
//   distributed_jobs                                      all of it on this machine

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <ipc/ipc.hpp>
#include <list>
#include <map>
#include <string>
#include <thread>
#include <utility>

namespace {

using Result = std::pair<int, long>;

void work(const std::string& address, const std::string& key, int seconds_each) {
  const auto manager = ipc::Manager::connect(address, {.authkey = key});
  const auto jobs = manager.JoinableQueue<int>(ipc::named("jobs"));
  const auto results = manager.Queue<Result>(ipc::named("results"));
  for (const int job : jobs) {
    if (seconds_each != 0) {
      std::cout << "takes job " << job << std::endl;
      std::this_thread::sleep_for(std::chrono::seconds(seconds_each));
    }
    results.put({job, long{job} * job});
    jobs.task_done();
  }
}

void put_jobs(const ipc::Manager& manager, int count) {
  const auto jobs = manager.JoinableQueue<int>(ipc::named("jobs"));
  for (int job = 0; job < count; ++job) jobs.put(job);
}

long collect(const ipc::Manager& manager) {
  const auto jobs = manager.JoinableQueue<int>(ipc::named("jobs"));
  const auto results = manager.Queue<Result>(ipc::named("results"));
  jobs.join();
  jobs.shutdown();
  // A worker that died between its result and task_done has left the job to another: each counts once.
  std::map<int, long> by_job;
  while (const auto result = results.try_get()) by_job.insert(*result);
  long sum = 0;
  for (const auto& [job, square] : by_job) sum += square;
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  const std::string role = argc > 1 ? argv[1] : "";
  try {
    if (role == "work" && (argc == 4 || argc == 5)) {
      work(argv[2], argv[3], argc == 5 ? std::atoi(argv[4]) : 0);
    } else if (role == "serve" && argc == 5) {
      const ipc::Manager manager({.address = argv[2], .authkey = argv[3]});
      std::cout << manager.address() << std::endl;
      put_jobs(manager, std::atoi(argv[4]));
      std::cout << "sum: " << collect(manager) << "\n";
    } else if (role.empty()) {
      const ipc::Manager manager({.address = "tcp://127.0.0.1:0", .authkey = "secret"});
      put_jobs(manager, 1000);
      ipc::Process victim([&] {
        const auto jobs = ipc::Manager::connect(manager.address(), {.authkey = "secret"}).JoinableQueue<int>(ipc::named("jobs"));
        jobs.get();
        std::abort();  // With a job in its hands.
      });
      victim.start();
      victim.join();
      std::list<ipc::Process> workers;
      for (int i = 0; i < 3; ++i) {
        workers.emplace_back(work, manager.address(), "secret", 0);
        workers.back().start();
      }
      std::cout << "sum: " << collect(manager) << "\n";
      for (ipc::Process& worker : workers) worker.join();
      std::cout << "all jobs done, one worker died: " << std::boolalpha << (victim.exitcode() == -SIGABRT) << "\n";
    } else {
      std::cerr << "usage: distributed_jobs [serve ADDRESS KEY JOBS | work ADDRESS KEY [SECONDS]]\n";
      return 2;
    }
  } catch (const ipc::ManagerLost&) {
    std::cerr << "The server has ended.\n";
    return 1;
  }
}
