#include "ipc/shm/created_name.hpp"

#include <cstdlib>
#include <exception>
#include <mutex>
#include <set>
#include <utility>

#include "ipc/os/at_fork.hpp"

namespace ipc::shm {
namespace {

/// Never destroyed: objects in static storage may outlive any other.
struct Debts {
  std::mutex mutex;  ///< Held over fork; taken before those of names.cpp, after the heap's.
  std::set<CreatedName*> open;
};

Debts& debts() {
  static Debts& all = *new Debts();
  static const bool registered = [] {
    prepare_names();
    os::at_fork([] { debts().mutex.lock(); }, [] { debts().mutex.unlock(); },
                [] {
                  debts().open.clear();  // The parent's.
                  debts().mutex.unlock();
                });
    std::atexit([] { leave_created_names(); });
    return true;
  }();
  static_cast<void>(registered);
  return all;
}

}  // namespace

CreatedName::CreatedName(Name name, int fd, AtEnd at_end) : name_(std::move(name)), fd_(fd), at_end_(at_end) {
  Debts& all = debts();
  const std::lock_guard guard(all.mutex);
  all.open.insert(this);
}

CreatedName::~CreatedName() {
  Debts& all = debts();
  const std::lock_guard guard(all.mutex);
  if (all.open.erase(this) != 0) settle();
}

void CreatedName::settle() noexcept {
  if (at_end_ == AtEnd::persists) {
    leave_named(fd_);
    return;
  }
  try {
    remove_named(name_, fd_);
  } catch (const std::exception&) {
    // The name stays, and is stale as soon as nobody has the file open.
  }
}

void leave_created_names() noexcept {
  Debts& all = debts();
  const std::lock_guard guard(all.mutex);
  for (CreatedName* name : all.open) name->settle();
  all.open.clear();
}

void prepare_created_names() { debts(); }

}  // namespace ipc::shm
