#pragma once

#include "ipc/shm/names.hpp"

namespace ipc::shm {

/// What the process that made a named file owes it: to say that it left in order. Settled by the destructor, or when the
/// process ends by `exit`, whoever still has the object then. A process that is killed owes it for ever: then the name is
/// stale (see names.hpp). Forked children owe nothing: their copies do nothing.
/// Any thread.
class CreatedName {
 public:
  enum class AtEnd {
    persists,  ///< The name stays until somebody removes it.
    goes,      ///< The name goes, unless it means another file by then.
  };
  /// `fd` as `create_named` returned it; stays the caller's, and open while this object lives.
  CreatedName(Name name, int fd, AtEnd at_end);
  CreatedName(const CreatedName&) = delete;
  CreatedName& operator=(const CreatedName&) = delete;
  ~CreatedName();

 private:
  friend void leave_created_names() noexcept;
  void settle() noexcept;

  Name name_;
  int fd_;
  AtEnd at_end_;
};

/// Settles everything that this process owes; to be called when it ends without `exit`, but in order.
void leave_created_names() noexcept;

/// As `prepare_names`, which it includes: to be called before a mutex is registered under which the above are used.
void prepare_created_names();

}  // namespace ipc::shm
