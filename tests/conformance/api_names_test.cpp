// The public names, once each, with the types that programs rely on: a rename breaks this file before it breaks a user's.
// Nothing here runs; what the names do is tested elsewhere.

#include <ipc/ipc.hpp>

#include <concepts>
#include <map>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;

namespace {

template <class Derived, class Base>
concept is_a = std::derived_from<Derived, Base>;
template <class T, class U>
concept gives = std::convertible_to<T, U>;

int square(int x) { return x * x; }
using Strings = std::vector<std::string>;
using Ints = std::vector<int>;
struct Point {
  double x, y;
  double length() const;
};

static_assert(is_a<ipc::Error, std::runtime_error> && is_a<ipc::UsageError, std::logic_error> && is_a<ipc::NotShippable, ipc::UsageError>);
template <class... E>
constexpr bool are_errors = (is_a<E, ipc::Error> && ...);
static_assert(are_errors<ipc::TimeoutError, ipc::Empty, ipc::Full, ipc::ShutDown, ipc::EndOfFile, ipc::BrokenPipe, ipc::BufferTooShort,
                         ipc::EncodingError, ipc::AuthenticationError, ipc::BrokenBarrier, ipc::RemoteError, ipc::WorkerLost,
                         ipc::TaskTimeout, ipc::Cancelled, ipc::PoolTerminated, ipc::ManagerLost>);
static_assert(requires(const ipc::BufferTooShort& short_, const ipc::RemoteError& remote, const ipc::WorkerLost& lost) {
  { short_.message() } -> gives<ipc::Bytes>;
  { remote.type_name() } -> gives<std::string>;
  { remote.process_name() } -> gives<std::string>;
  { remote.pid() } -> std::same_as<pid_t>;
  { lost.pid() } -> std::same_as<pid_t>;
  { lost.exitcode() } -> std::same_as<int>;
});

static_assert(requires(ipc::Process p, int argc, char** argv) {
  ipc::init(argc, argv);
  ipc::Process(square, 1);
  ipc::Process({.name = "n", .daemon = true, .start_method = ipc::StartMethod::spawn}, square, 1);
  p.start(), p.join(), p.interrupt(), p.terminate(), p.kill(), p.close();
  { p.join(5s) } -> std::same_as<bool>;
  { p.is_alive() } -> std::same_as<bool>;
  { p.exitcode() } -> std::same_as<std::optional<int>>;
  { p.pid() } -> std::same_as<std::optional<pid_t>>;
  { p.name() } -> gives<std::string>;
  { p.daemon() } -> std::same_as<bool>;
  { p.sentinel() } -> std::same_as<int>;
  { ipc::current_process().name() } -> gives<std::string>;
  { ipc::current_process().pid() } -> std::same_as<pid_t>;
  { ipc::current_process().daemon() } -> std::same_as<bool>;
  { ipc::parent_process()->name() } -> gives<std::string>;
  { ipc::parent_process()->pid() } -> std::same_as<pid_t>;
  { ipc::parent_process()->is_alive() } -> std::same_as<bool>;
  ipc::parent_process()->join();
  { ipc::parent_process()->join(1s) } -> std::same_as<bool>;
  ipc::active_children().at(0).pid(), ipc::active_children().at(0).terminate(), ipc::active_children().at(0).join();
  ipc::cpu_count() + ipc::process_cpu_count();
  { ipc::start_method() } -> std::same_as<ipc::StartMethod>;
  ipc::set_start_method(ipc::StartMethod::forkserver);
  ipc::StartMethod::fork;
});
static_assert(!std::is_copy_constructible_v<ipc::Process> && std::is_nothrow_move_constructible_v<ipc::Process>);

static_assert(requires(ipc::Connection c, std::span<std::byte> buffer, ipc::Listener listener, ipc::Process process, ipc::Queue<int> queue,
                       ipc::AsyncResult<int> result, ipc::Fd fd) {
  { ipc::Pipe().first } -> gives<const ipc::Connection&>;
  ipc::Pipe(false).second;
  c.send(1), c.send_bytes("text"), c.send_bytes(std::span<const std::byte>()), c.close();
  { c.recv<Strings>() } -> std::same_as<Strings>;
  { c.recv_bytes() } -> std::same_as<ipc::Bytes>;
  c.recv_bytes(10);
  { c.recv_bytes_into(buffer) } -> std::same_as<std::size_t>;
  { c.poll() && c.poll(1s) && c.closed() && c.readable() && c.writable() } -> std::same_as<bool>;
  { c.fileno() } -> std::same_as<int>;
  ipc::Listener();
  ipc::Listener("unix:/path", {.backlog = 1, .authkey = "key"});
  { listener.accept() } -> std::same_as<ipc::Connection>;
  { listener.address() } -> gives<std::string>;
  listener.last_accepted(), listener.close();
  { ipc::Client("tcp://host:1", {.authkey = "key"}) } -> std::same_as<ipc::Connection>;
  { ipc::wait({c, process, 0, result, queue, listener, fd}, 1s) } -> std::same_as<std::vector<std::size_t>>;
  ipc::wait({c});
});
static_assert(!std::is_copy_constructible_v<ipc::Connection> && std::is_nothrow_move_constructible_v<ipc::Connection>);

template <class Q>
constexpr bool is_queue = requires(const Q& q, int x) {
  q.put(x), q.put(x, 1s), q.put_nowait(x), q.put_many(Ints()), q.close(), q.shutdown(), q.shutdown(true);
  { q.try_put(x) && q.try_put_for(x, 1s) && q.empty() && q.full() && q.closed() } -> std::same_as<bool>;
  { q.get() + q.get(1s) + q.get_nowait() } -> std::same_as<int>;
  { q.try_get() } -> std::same_as<std::optional<int>>;
  { q.try_get_for(1s) } -> std::same_as<std::optional<int>>;
  { q.get_many(2) } -> std::same_as<Ints>;
  q.qsize(), q.begin() == q.end();
};
template <class Q>
constexpr bool is_joinable = is_queue<Q>&& requires(const Q& q) {
  q.task_done(), q.join();
  { q.join(1s) } -> std::same_as<bool>;
};
static_assert(is_queue<ipc::Queue<int>> && is_joinable<ipc::JoinableQueue<int>> &&
              requires(ipc::SimpleQueue<int> q) { ipc::Queue<int>(6), q.put(1), q.get(), q.empty(), q.close(); });

template <class L>
constexpr bool is_lock = requires(const L& l) {
  l.lock(), l.unlock();
  { l.try_lock() && l.try_lock_for(1s) && l.recovered() } -> std::same_as<bool>;
  std::scoped_lock(l);
};
template <class S>
constexpr bool is_semaphore = requires(const S& s) {
  s.acquire(), s.release(), s.release(2);
  { s.try_acquire() && s.try_acquire_for(1s) } -> std::same_as<bool>;
  { s.get_value() } -> gives<int>;
};
template <class C>
constexpr bool is_condition = requires(const C& c, bool (*done)()) {
  c.lock(), c.unlock(), c.wait(), c.wait(done), c.notify(), c.notify(2), c.notify_all();
  { c.try_lock() && c.wait_for(1s) && c.wait_for(1s, done) } -> std::same_as<bool>;
};
template <class E>
constexpr bool is_event = requires(const E& e) {
  e.set(), e.clear(), e.wait();
  { e.is_set() && e.wait_for(1s) } -> std::same_as<bool>;
};
template <class B>
constexpr bool is_barrier = requires(const B& b) {
  { b.wait() } -> gives<int>;
  b.wait_for(1s), b.abort(), b.reset(), b.parties(), b.n_waiting();
  { b.broken() } -> std::same_as<bool>;
};
static_assert(is_lock<ipc::Lock> && is_lock<ipc::RLock> && is_semaphore<ipc::Semaphore> && is_semaphore<ipc::BoundedSemaphore> &&
              is_condition<ipc::Condition> && is_event<ipc::Event> && is_barrier<ipc::Barrier>);
static_assert(requires(void (*action)()) {
  ipc::Semaphore(2), ipc::BoundedSemaphore(2), ipc::Condition(ipc::Lock()), ipc::Condition(ipc::RLock());
  ipc::Barrier(3), ipc::Barrier(3, action), ipc::Barrier(3, action, 1s), ipc::Barrier(3, {}, 1s);
});

template <class T, class... Args>
constexpr bool can_be_named = requires(Args... args) {
  { T::create("name", args...) } -> std::same_as<T>;
  { T::open("name") } -> std::same_as<T>;
  { T::open_or_create("name", args...) } -> std::same_as<T>;
  ipc::unlink("name");
};
static_assert(can_be_named<ipc::Queue<int>> && can_be_named<ipc::Queue<int>, int> && can_be_named<ipc::Lock> && can_be_named<ipc::RLock> &&
              can_be_named<ipc::Semaphore, int> && can_be_named<ipc::Event> && can_be_named<ipc::Barrier, int> &&
              can_be_named<ipc::Condition> && can_be_named<ipc::Value<int>, int> && can_be_named<ipc::Array<int>, int> &&
              can_be_named<ipc::Array<int>, Ints>);

static_assert(requires(const ipc::Value<int>& v, int& expected, void (*change)(int&), const ipc::Array<double>& a) {
  v.set(1), v.update(change), *v.lock() += 1, v.get_lock(), v.fetch_sub(1), v.fetch_and(1), v.fetch_or(1), v.fetch_xor(1);
  { v.get() + v.exchange(1) + v.fetch_add(1) } -> std::same_as<int>;
  { v.compare_exchange(expected, 2) } -> std::same_as<bool>;
  ipc::Array<double>(1000), ipc::Array<double>(std::vector{1.0}), a.set(3, 1.5), a.get_lock(), a.lock().begin();
  { a.get(-1) + a.at(0) } -> std::same_as<double>;
  { a.size() } -> std::same_as<std::size_t>;
  { ipc::RawValue<Point>({1, 2}).value() } -> std::same_as<Point&>;
  { ipc::RawArray<int>(3)[-1] } -> std::same_as<int&>;
  { ipc::RawArray<int>(Ints()).data() } -> std::same_as<int*>;
  { ipc::RawArray<int>(3).span() } -> std::same_as<std::span<int>>;
  ipc::RawArray<int>(3).size();
});
static_assert(requires(ipc::SharedMemory m, ipc::ShareableList l) {
  ipc::SharedMemory::create(10), ipc::SharedMemory::create(10, "name"), ipc::SharedMemory::open("name");
  { m.buf() } -> gives<std::span<std::byte>>;
  m.size(), m.name(), m.close(), m.unlink();
  ipc::ShareableList({1, 2.5, "text", true, nullptr}), ipc::ShareableList::open("name");
  { l.get<std::string>(0) } -> std::same_as<std::string>;
  l.set(-1, 2), l.size(), l.count("text"), l.index(1);
  { l.format() } -> gives<std::string>;
});

template <class P>
constexpr bool is_pool = requires(P& pool, const Ints& xs, const std::vector<std::pair<int, int>>& pairs, int (*add)(int, int)) {
  { pool.apply(square, 7) } -> std::same_as<int>;
  { pool.apply_async(square, 7).get() } -> std::same_as<int>;
  pool.apply_async(ipc::TaskOptions{.timeout = 2s, .retries = 1, .priority = 5}, square, 7);
  { pool.map(square, xs) } -> std::same_as<Ints>;
  pool.map(square, xs, {.chunksize = 50}), pool.map_async(square, xs);
  { pool.starmap(add, pairs) } -> std::same_as<Ints>;
  pool.starmap_async(add, pairs), pool.close(), pool.terminate(), pool.join();
};
static_assert(requires(ipc::Pool pool, const Ints& xs, ipc::AsyncResult<int> r, std::vector<ipc::AsyncResult<int>> all, void (*init)(int)) {
  ipc::Pool(4), ipc::Pool({.processes = 4, .max_tasks_per_child = 100, .start_method = ipc::StartMethod::spawn, .name = "n"});
  ipc::Pool(ipc::PoolOptions{.initializer = {}}, init, 3);
  pool.map(square, xs, {.chunksize = 50, .progress = "squares"});
  { *pool.imap(square, xs).begin() } -> gives<int>;
  pool.imap_unordered(square, xs, {.chunksize = 5}).end();
  pool.size(), pool.worker_pids(), pool.stats();
  { r.get() + r.get(1s) } -> std::same_as<int>;
  { r.wait_for(1s) && r.ready() && r.successful() && r.cancel() } -> std::same_as<bool>;
  r.wait(), r.on_result([](int) {}).on_error([](std::exception_ptr) {});
  (*ipc::as_completed(all).begin()).get();
  ipc::wait(all, ipc::WaitFor::first_completed, 1s), ipc::wait(all, ipc::WaitFor::first_exception), ipc::WaitFor::all_completed;
  ipc::progress(xs, xs.size(), "label").begin();
});
static_assert(is_pool<ipc::Pool>);

static_assert(requires(ipc::Manager m, ipc::Named name) {
  ipc::Manager(), ipc::Manager({.address = "tcp://localhost:0", .authkey = "key"}), ipc::Manager::connect("a", {.authkey = "key"});
  ipc::Manager::serve({.address = "a"});
  { m.address() } -> gives<std::string>;
  m.shutdown(), m.join(), m.Namespace(name), m.Namespace();
  { ipc::named("jobs") } -> std::same_as<ipc::Named>;
  { m.list<int>({3, 1, 2}) } -> std::same_as<ipc::ListProxy<int>>;
  { m.dict<std::string, int>(name) } -> std::same_as<ipc::DictProxy<std::string, int>>;
  { m.object<Point>(name, 1.0, 2.0).call(&Point::length) } -> std::same_as<double>;
  { m.object<Point>() } -> std::same_as<ipc::ObjectProxy<Point>>;
  { m.Value<int>(3).get() + m.Value<int>(name).get() + m.Array<int>(5).get(-1) } -> std::same_as<int>;
  m.list<int>(name), m.dict<int, int>(), m.Array<int>(name, 5).size(), m.Array<int>(Ints()).set(0, 1), m.Value<int>(1).set(2);
  requires is_lock<decltype(m.Lock(name))> && is_lock<decltype(m.RLock())> && is_event<decltype(m.Event())>;
  requires is_semaphore<decltype(m.Semaphore(2))> && is_semaphore<decltype(m.BoundedSemaphore(name, 2))>;
  requires is_condition<decltype(m.Condition())> && is_barrier<decltype(m.Barrier(name, 2))>;
  requires is_joinable<decltype(m.template JoinableQueue<int>())> && is_pool<decltype(m.Pool(name, 2))>;
});
static_assert(requires(const ipc::ListProxy<int>& l, const ipc::DictProxy<std::string, int>& d, const ipc::NamespaceProxy& n,
                       void (*change)(int&), const std::map<std::string, int>& map) {
  l.append(1), l.extend(Ints()), l.insert(0, 1), l.remove(1), l.sort(), l.reverse(), l.clear(), l.set(0, 1), l.update(0, change);
  { l.pop() + l.pop(0) + l.get(-1) } -> std::same_as<int>;
  { l[0] } -> gives<int>;
  { l.to_vector() } -> std::same_as<Ints>;
  { l.slice(0, 2) } -> std::same_as<Ints>;
  { l.get_value() } -> std::same_as<Ints>;
  l.index(1), l.count(1), l.size(), l.empty(), l == l;
  d.set("a", 1), d["a"] = 1, d.erase("a"), d.clear(), d.update("a", change), d.merge(map), d.size(), d.items(), d == d;
  { d.get("a") + d.get("a", 2) + d.pop("a") + d.setdefault("a", 1) + d.popitem().second } -> std::same_as<int>;
  { d["a"] } -> gives<int>;
  { d.contains("a") } -> std::same_as<bool>;
  { d.keys() } -> std::same_as<Strings>;
  { d.values() } -> std::same_as<Ints>;
  { d.to_map() } -> gives<std::map<std::string, int>>;
  n.set("x", 1), n.del("x");
  { n.get<int>("x") } -> std::same_as<int>;
  { n.has("x") } -> std::same_as<bool>;
});

}  // namespace

TEST_CASE("the public names are there") { SUCCEED(); }
