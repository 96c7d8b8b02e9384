#pragma once

/// Everything: Python's `multiprocessing` for C++.

#include <ipc/array.hpp>
#include <ipc/as_completed.hpp>
#include <ipc/async_result.hpp>
#include <ipc/auth_key.hpp>
#include <ipc/barrier.hpp>
#include <ipc/bytes.hpp>
#include <ipc/condition.hpp>
#include <ipc/connection.hpp>
#include <ipc/dict_proxy.hpp>
#include <ipc/error.hpp>
#include <ipc/event.hpp>
#include <ipc/fd.hpp>
#include <ipc/imap.hpp>
#include <ipc/list_proxy.hpp>
#include <ipc/listener.hpp>
#include <ipc/lock.hpp>
#include <ipc/main.hpp>
#include <ipc/manager.hpp>
#include <ipc/namespace_proxy.hpp>
#include <ipc/object_proxy.hpp>
#include <ipc/pool.hpp>
#include <ipc/process.hpp>
#include <ipc/progress.hpp>
#include <ipc/queue.hpp>
#include <ipc/queue_proxy.hpp>
#include <ipc/rlock.hpp>
#include <ipc/semaphore.hpp>
#include <ipc/shareable_list.hpp>
#include <ipc/shared_memory.hpp>
#include <ipc/sync_proxies.hpp>
#include <ipc/unlink.hpp>
#include <ipc/value.hpp>
#include <ipc/value_proxy.hpp>
#include <ipc/wait.hpp>
