#include "ipc/serialization/throw_probe.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include <ipc/detail/throw_probe.hpp>
#include <ipc/detail/token.hpp>
#include <ipc/detail/type_name.hpp>

#include "ipc/os/backtrace.hpp"

namespace ipc {
namespace {

constexpr std::size_t most_frames = 48;

struct ThrowSite {
  std::array<void*, most_frames> frames;
  std::size_t count = 0;
};
thread_local ThrowSite site;
std::atomic<bool> tracing{false};

bool begins_with_any(std::string_view text, std::initializer_list<std::string_view> beginnings) {
  for (const auto beginning : beginnings) {
    if (text.substr(0, beginning.size()) == beginning) return true;
  }
  return false;
}

}  // namespace

namespace detail {

#ifdef __GLIBCXX__
class ProbeType final : public std::type_info {
 public:
  ProbeType() : type_info("N3ipc6detail10ThrowProbeE") {}
  bool __do_catch(const type_info*, void**, unsigned) const override {
    // relaxed: a switch, nothing hangs on it.
    if (tracing.load(std::memory_order_relaxed)) site.count = os::backtrace(site.frames);
    return false;
  }
};

// SUBTLE: the description of ThrowProbe's type, under the name that handlers know it by. It stands where the compiler would
// have put its own, had the class's virtual function been defined.
extern const ProbeType probe_type asm("_ZTIN3ipc6detail10ThrowProbeE") __attribute__((visibility("default")));
const ProbeType probe_type;
#else
ThrowProbe::~ThrowProbe() = default;
#endif

void trace_throws(bool on) noexcept { tracing.store(on, std::memory_order_relaxed); }

}  // namespace detail

std::vector<detail::CodePlace> serialization::take_throw_site() {
  std::vector<detail::CodePlace> places;
  for (const void* frame : std::span(site.frames).first(std::exchange(site.count, 0))) {
    try {
      // Return addresses: the call lies before them.
      const auto token = detail::token_of(static_cast<const std::byte*>(frame) - 1);
      places.push_back({token.module, token.offset});
    } catch (const NotShippable&) {  // Code made at run time has no name.
    }
  }
  return places;
}

std::string RemoteError::backtrace() const {
  std::string text;
  for (const auto& place : thrown_at_) {
    const os::Symbol symbol = os::symbol_at(place.module, place.offset);
    const std::string name = symbol.function.empty() ? "?" : detail::demangle(symbol.function.c_str());
    // What throwing itself is made of lies before, what calls tasks behind the part that matters.
    if (begins_with_any(name, {"__cxa_throw", "__cxa_rethrow", "std::rethrow_exception"})) {
      text.clear();
      continue;
    }
    if (begins_with_any(name, {"ipc::detail::run_call"})) break;
    std::array<char, 32> offset{};
    std::snprintf(offset.data(), offset.size(), "+0x%llx", static_cast<unsigned long long>(place.offset));
    text += "  " + name + " (" + (symbol.module.empty() ? "?" : symbol.module) + offset.data() + ")\n";
  }
  return text;
}

}  // namespace ipc
