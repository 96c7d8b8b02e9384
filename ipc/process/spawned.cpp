#include "ipc/process/spawned.hpp"

#include <atomic>
#include <cstdlib>
#include <optional>
#include <utility>

#include <ipc/detail/exception.hpp>
#include <ipc/error.hpp>

#include "ipc/os/child.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/os/spawn.hpp"
#include "ipc/os/stdio.hpp"
#include "ipc/process/family.hpp"
#include "ipc/process/letter.hpp"

namespace ipc::process {
namespace {

std::atomic<const std::string*> program{nullptr};  // argv[0]; never freed. Set when ipc::init has run.

// The name for `ps`: the program is executed as /proc/self/exe, and would be called "exe".
void restore_program_name(const std::string& argv0) {
  const auto slash = argv0.rfind('/');
  os::set_thread_name(argv0.c_str() + (slash == std::string::npos ? 0 : slash + 1));
}

}  // namespace

const char* const spawned_argument = "--ipc-spawned";

int run_entry(detail::Token entry, detail::Message& body) {
  return reinterpret_cast<Entry>(reinterpret_cast<std::uintptr_t>(detail::resolve(entry)))(body);
}

void remember_init(const char* argv0) {
  const std::string* none = nullptr;
  const auto* name = new std::string(argv0 != nullptr ? argv0 : "");
  // SYNC POINT: program name visible to a thread that spawns
  if (!program.compare_exchange_strong(none, name, std::memory_order_release, std::memory_order_relaxed)) delete name;
}

void require_init() {
  // SYNC POINT: program name visible to a thread that spawns
  if (program.load(std::memory_order_acquire) == nullptr) {
    throw UsageError(
        "The start methods spawn and forkserver run this program afresh: call ipc::init(argc, argv) first in main(), or use "
        "StartMethod::fork.");
  }
}

Child spawn_child(const Birth& birth, detail::Token entry, std::span<const std::byte> body, std::span<const Fd> fds) {
  require_init();
  detail::Writer head;
  head.raw(detail::main_module_id());
  birth.encode(head);
  head.raw(entry);
  auto [ours, its] = os::packet_socket_pair();
  const pid_t pid = os::spawn_self(program.load(std::memory_order_relaxed)->c_str(), spawned_argument, its.get());
  try {
    Child child(pid, os::open_pidfd(pid));
    its.reset();  // So that sending does not wait for a child which has died.
    send_letter(ours.get(), head.view(), body, fds);
    return child;
  } catch (...) {
    os::discard_child(pid);
    throw;
  }
}

void live_spawned(Fd socket) {
  restore_program_name(*program.load(std::memory_order_relaxed));
  detail::Token entry{};
  std::optional<Letter> letter;
  const auto be_born = [&] {
    // The socket alone would not tell that the parent has died: it may have forked with the other end open.
    letter = receive_letter(socket.get(), os::open_parent_pidfd(os::parent_id()).get());
    socket.reset();
    if (!letter) os::exit_now(Child::unknown_exitcode);
    detail::Reader head(letter->head);
    if (head.raw<std::uint64_t>() != detail::main_module_id()) {
      throw Error("The process that spawned this one runs another build of the program.");
    }
    Birth birth = Birth::decode(head);
    entry = head.raw<detail::Token>();
    const pid_t maker = birth.parent_pid;
    become(std::move(birth), maker);
    return 0;
  };
  int status = run_reporting(be_born);
  if (status == 0) status = run_reporting([&] { return run_entry(entry, letter->body); });
  leave_family();
  std::exit(status);
}

}  // namespace ipc::process
