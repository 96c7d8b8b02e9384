#pragma once

#include <ipc/fd.hpp>

namespace ipc::process {

/// A forked process begins when whoever wants it has everything that it takes to look after it, its pidfd first of all. Until
/// then it waits at one end of a packet socket; if its maker cannot have it, or dies, the process ends and nothing has run.

/// Lets the process begin that waits at the other end of `end`. One that has died meanwhile is no error.
void let_go(int end);

/// In the new process: true when it may begin, false when nobody will say so any more. `giver_pidfd` tells that the giver has
/// died, which the socket alone does not while another process has inherited the giver's end; empty where it cannot be had.
bool may_go(const Fd& end, const Fd& giver_pidfd);

}  // namespace ipc::process
