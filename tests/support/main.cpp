// The main of every test program: Catch's, with a watchdog for each test case. Processes that are started by spawn come in
// through here as well, so that `init` is the first line as in any program of a user.
#define CATCH_CONFIG_RUNNER
// A child that a test lets crash would run handlers inherited from its parent and report on its parent's behalf.
#define CATCH_CONFIG_NO_POSIX_SIGNALS
#include "tests/support/catch.hpp"
#include "tests/support/watchdog.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <system_error>

#include <ipc/detail/exception.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/main.hpp>

namespace {

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
#else
using ListenerBase = Catch::TestEventListenerBase;
#endif

class WatchdogListener : public ListenerBase {
 public:
  using ListenerBase::ListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo& test) override { ipc::test::arm_watchdog(test.name); }
  void testCaseEnded(const Catch::TestCaseStats&) override { ipc::test::disarm_watchdog(); }
};

/// UBSan takes an object's table of functions for none when it cannot look at it through a pipe, once for each class: so it says of
/// any program that has run out of descriptors and throws. This lets it look before, also at what is behind an exception that is sent.
void show_exceptions_to_ubsan() {
  try {
    throw std::system_error(EMFILE, std::generic_category(), "looked at");
  } catch (const std::exception& error) {
    ipc::detail::Writer looked_at;
    ipc::detail::encode_exception(looked_at, std::current_exception(), "", 0);
    if (error.what() == nullptr || dynamic_cast<const std::system_error&>(error).code().value() != EMFILE) std::abort();
  }
}

}  // namespace

#if defined(__SANITIZE_THREAD__)
/// ThreadSanitizer does not see how the C++ library counts an exception's owners, and takes the end of the last one's for a race with
/// what the others did with the exception before they let go of it: in any program. The second name is for where a jump to the
/// release, in the place of a call, leaves no trace of it.
extern "C" const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release\nrace:std::runtime_error::~runtime_error\n";
}
#endif

CATCH_REGISTER_LISTENER(WatchdogListener)

int main(int argc, char** argv) {
  // A shell that starts this in the background has its children ignore Ctrl-C, and so would all of the tests' own.
  std::signal(SIGINT, SIG_DFL);
  ipc::init(argc, argv);
  show_exceptions_to_ubsan();
  return Catch::Session().run(argc, argv);
}
