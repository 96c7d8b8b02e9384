#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ipc/fd.hpp>

/// What managers and their clients say to each other, as far as the typed side must know it.

namespace ipc::detail {

/// Names an object within its server; never used twice.
using ObjectId = std::uint64_t;
/// Names a server, a session: random, so that no two are alike.
using ServerId = std::array<std::byte, 16>;

/// What an object is. NOTE: wire structure.
enum class ServedKind : std::uint8_t {
  list,
  dict,
  name_space,
  lock,
  rlock,
  semaphore,
  bounded_semaphore,
  condition,
  event,
  barrier,
  queue,
  joinable_queue,
  value,
  array,
  object,
  pool,
  result,  ///< Of a call of a pool's.
  desk,    ///< Where the process that runs a pool's tasks gets them; not a client's.
  count,
};

/// What is asked of it. What each takes and gives stands at the object that performs it. NOTE: wire structure.
enum class Op : std::uint8_t {
  hello,      ///< The first message of every connection.
  create,     ///< A new object, or the one that has the name.
  attach,     ///< One more reference.
  release,    ///< Some fewer. Has no answer.
  number,     ///< How many objects there are.
  shut_down,  ///< Ends the server.
  end,        ///< Is never answered: the connection's end is.
  rings,      ///< The answer brings a pipe's end, through which the connection goes on (see `manager::ClientLine`).
  size,
  get,
  set,
  insert,
  extend,
  pop,
  pop_last,
  set_default,
  erase,
  contains,
  clear,
  reverse,
  slice,
  keys,
  next_key,  ///< Behind the one given; the first without one.
  typed,     ///< Runs a typed operation: see `TypedCall`.
  lock,
  unlock,
  recovered,
  wait,
  notify,
  abort,
  task_done,
  join,
  submit,   ///< Tasks for a pool.
  outcome,  ///< Of one of them.
  status,
  cancel,
  close,
  inquire,   ///< Asks the process that runs the pool.
  own_lock,  ///< The RLock that a value or an array has for its clients.
  count,
};

/// NOTE: wire structure.
struct RequestHeader {
  Op op = Op::hello;
  std::uint8_t may_miss = 0;  ///< What is not there is no error, but `nothing`.
  std::uint8_t reserved[2] = {};
  std::uint32_t thread = 0;  ///< The client's, for what belongs to threads.
  ObjectId object = 0;
  std::int64_t patience = never;  ///< Nanoseconds that a call may wait.
  static constexpr std::int64_t never = -1;
};
static_assert(sizeof(RequestHeader) == 24);

/// How a call ended: the first byte of an answer. NOTE: wire structure.
enum class Outcome : std::uint8_t {
  done,           ///< What it gives follows.
  done_granting,  ///< The same; at the end stand the ids of the objects to which it gives references, and how many in 32 bits.
  nothing,        ///< Not in time, not there.
  thrown,         ///< By the server, or by what the client had it run: an encoded exception follows.
  failed,         ///< There was no memory to say how.
  // By the server; a sentence follows.
  usage_error,
  broken_barrier,
  shut_down,
  encoding_error,
  timeout_error,
  // By a pool.
  worker_lost,  ///< Its pid and exit code, each in 32 bits, come before the sentence.
  task_timeout,
  cancelled,
  pool_terminated,
  locked,  ///< By somebody else; the id of the RLock follows, and the client has a reference to it. Nothing was done.
  count,
};

/// An object as its server has it.
class Served {
 public:
  Served() = default;
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  virtual ~Served() = default;
  ObjectId id = 0;
};

/// An encoded value: its bytes, the descriptors that belong to it, and the server's objects whose proxies are in it, which
/// live as long. What lists and the like consist of on the server. NOTE: on the wire an `ElementHeader`, the bytes, and the
/// objects' ids.
struct Element {
  struct Baggage {
    std::vector<Fd> fds;
    std::vector<std::shared_ptr<Served>> objects;
  };
  std::string bytes;
  std::unique_ptr<Baggage> baggage;
};
struct ElementHeader {
  std::uint32_t size = 0;
  std::uint16_t fds = 0;
  std::uint16_t objects = 0;
};
static_assert(sizeof(ElementHeader) == 8);

/// A typed operation as it runs on the server, in one step as all others see it. The first argument is the callable.
struct TypedCall {
  std::vector<Element> arguments;
  std::vector<Element>* list = nullptr;     ///< Of a list or an array.
  Element* element = nullptr;               ///< The one that it is about.
  std::shared_ptr<void>* object = nullptr;  ///< Of an `ObjectProxy`.
  std::unique_ptr<Element> result;          ///< What the caller gets.
};
using TypedOperation = void (*)(TypedCall& call);

}  // namespace ipc::detail
