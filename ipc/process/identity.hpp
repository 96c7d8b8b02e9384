#pragma once

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>

#include <ipc/detail/start_method.hpp>
#include <ipc/fd.hpp>

namespace ipc::process {

/// Who this process is: one record a process, written at birth, before there is a second thread, and only read from
/// then on but for the child counter and the start method, which any thread may use.
struct Identity {
  std::string name = "MainProcess";
  std::string lineage;  ///< The numbers in the name: "1:2"; empty in the main process.
  bool daemon = false;
  pid_t parent_pid = 0;  ///< The process that called `start()`, which is not always the one that forked. 0: none.
  std::string parent_name;
  Fd parent_pidfd;  ///< Empty where the parent is the kernel's idea of the parent: then `getppid()` knows.
};

const Identity& identity() noexcept;

/// Numbers the next process made here: its lineage.
std::string next_lineage();

std::optional<StartMethod> chosen_start_method() noexcept;
/// False if one was chosen before and `force` is not set.
bool choose_start_method(StartMethod method, bool force) noexcept;

/// Makes this process, just born, `identity`: its children are counted from 1.
void assume_identity(Identity identity, std::optional<StartMethod> start_method);

}  // namespace ipc::process
