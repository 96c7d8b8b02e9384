#pragma once

#include <csignal>
#include <string>

namespace ipc::os {

/// Who is running. Never cached: a cached pid is wrong after a fork that this library did not make.
pid_t process_id() noexcept;
pid_t parent_id() noexcept;
pid_t thread_id() noexcept;
/// True in the thread that the process began with.
inline bool is_main_thread() noexcept { return thread_id() == process_id(); }
/// The name that `ps` and `top` show, cut to 15 characters.
void set_thread_name(const char* name) noexcept;

/// The folder that this process works in; empty when it has been removed.
std::string working_folder();
/// From now on in that one. Where it is gone, or closed to this process, nothing changes.
void work_in(const char* folder) noexcept;

}  // namespace ipc::os
