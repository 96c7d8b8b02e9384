#pragma once

#include <string_view>

namespace ipc {

/// Named objects, for processes that are not related. `Lock RLock Semaphore BoundedSemaphore Event Barrier Condition Value Array`
/// and queues have three more ways to be made, which give a handle like any other:
///
///   create(name, …)          a new one. `std::system_error` (EEXIST) when the name is taken.
///   open(name)               the one that is there. `std::system_error` (ENOENT) when there is none.
///   open_or_create(name, …)  whichever it is; of many who do this at the same time, all get the same one.
///
/// A name is a file "ipc.<name>" in /dev/shm, mode 0600 minus the umask: the processes of one user meet there, in containers
/// that share it. It has 1 to 251 bytes and no '/' or NUL (`std::invalid_argument`). All kinds of objects share one set of
/// names: `open` of a Lock's as a Semaphore, of a `Value<int>`'s as a `Value<float>`, `open_or_create` of an array with another
/// size, all throw `UsageError`. Nobody ever finds an object that is not complete.
///
/// The name lasts until `unlink`, with nobody there, too, if the process that made it let go of it or exited in order. If that
/// was killed, the name ends with the last process that has it open: `open` does not find it then, and `create` makes a
/// new one. Objects without a name need none of this, and leave nothing behind.

/// Takes the name away from an object that was made with `create` or `open_or_create`: nobody can open it any more, who has
/// a handle keeps it, and the name is free again. (A `SharedMemory` has an `unlink` of its own.)
/// Throws `std::system_error` (ENOENT) when there is no such object, `std::invalid_argument` when that is no name.
/// Any thread of any process; blocks only while another process takes the same name away.
void unlink(std::string_view name);

}  // namespace ipc
