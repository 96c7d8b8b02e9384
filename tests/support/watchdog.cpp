#include "tests/support/watchdog.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#if defined(__has_feature)
#define IPC_TEST_HAS_FEATURE(x) __has_feature(x)
#else
#define IPC_TEST_HAS_FEATURE(x) 0
#endif

namespace ipc::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || IPC_TEST_HAS_FEATURE(address_sanitizer) || \
    IPC_TEST_HAS_FEATURE(thread_sanitizer)
constexpr int patience = 5;
#else
constexpr int patience = 1;
#endif

// The handler may only read what was laid down before the alarm was set.
char sentence[512];
std::size_t sentence_size = 0;

void bark(int) {
  // A failed write to stderr changes nothing: the process ends here.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, sentence, sentence_size);
  std::abort();
}

}  // namespace

void arm_watchdog(const std::string& what, std::chrono::seconds time) {
  ::alarm(0);
  const auto seconds = static_cast<unsigned>(time.count() * patience);
  const std::string text = "\nwatchdog: still not finished after " + std::to_string(seconds) + " s: " + what + "\n";
  sentence_size = text.copy(sentence, sizeof sentence);
  struct sigaction action = {};
  action.sa_handler = bark;
  ::sigaction(SIGALRM, &action, nullptr);
  ::alarm(seconds);
}

void disarm_watchdog() noexcept { ::alarm(0); }

}  // namespace ipc::test
