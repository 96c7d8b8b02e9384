#pragma once

#include <span>
#include <string>

#include <ipc/detail/message.hpp>
#include <ipc/detail/token.hpp>

#include "ipc/process/birth.hpp"
#include "ipc/process/child.hpp"

namespace ipc::process {

/// What a process that is not a copy of its parent runs: the address of an `Entry`, as a token.
using Entry = int (*)(detail::Message& body);

/// Runs the entry that a token names.
int run_entry(detail::Token entry, detail::Message& body);

/// Throws `UsageError` unless `ipc::init` has run: without it a spawned process would run `main` instead of its entry.
void require_init();
/// To be called by `ipc::init`, once it knows that this is no spawned process.
void remember_init(const char* argv0);

/// The argument by which a spawned process knows itself.
extern const char* const spawned_argument;

/// Executes this program afresh to run `entry` with the message. The message's descriptors stay the caller's.
Child spawn_child(const Birth& birth, detail::Token entry, std::span<const std::byte> body, std::span<const Fd> fds);

/// The life of a spawned process, which has been given the socket `socket`.
[[noreturn]] void live_spawned(Fd socket);

}  // namespace ipc::process
