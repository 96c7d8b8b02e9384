#include <ipc/detail/token.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <ipc/error.hpp>

#include "ipc/os/modules.hpp"

namespace ipc::detail {
namespace {

/// What was loaded when somebody last looked. Never changed and never freed once published: readers need no lock, so
/// that a fork finds none held, and a lookup is a scan of a few modules. A new one is made only when an address or id
/// is not in the current one, so there are at most as many as shared libraries were opened at run time (and one more
/// for each bad token, which is why those do not publish).
struct Modules {
  std::vector<os::Module> list;
  const Modules* previous = nullptr;  // Keeps replaced ones reachable.

  const os::Module* with_code_at(std::uintptr_t address) const {
    for (const os::Module& module : list) {
      if (has_code(module, address - module.base)) return &module;
    }
    return nullptr;
  }
  const os::Module* with_id(std::uint64_t id) const {
    for (const os::Module& module : list) {
      if (module.id == id) return &module;
    }
    return nullptr;
  }
  static bool has_code(const os::Module& module, std::uint64_t offset) {
    return std::any_of(module.code.begin(), module.code.end(),
                       [&](const os::CodeRange& range) { return offset >= range.begin && offset < range.end; });
  }
};

std::atomic<const Modules*> current{nullptr};

/// Asks `find` of the modules known so far, then of those loaded now.
template <class Find>
const os::Module* find_module(Find find) {
  // SYNC POINT: a published table's content is visible to whoever reads its address.
  const Modules* known = current.load(std::memory_order_acquire);
  if (known != nullptr) {
    if (const os::Module* module = find(*known)) return module;
  }
  auto fresh = std::make_unique<Modules>(Modules{os::loaded_modules(), known});
  const os::Module* module = find(*fresh);
  if (module == nullptr) return nullptr;
  // SYNC POINT: a published table's content is visible to whoever reads its address. Where another thread published
  // first, its table becomes the previous one.
  while (!current.compare_exchange_weak(fresh->previous, fresh.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
  }
  fresh.release();
  return module;
}

std::string hex(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace

Token token_of(const void* function) {
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  const os::Module* module = find_module([&](const Modules& modules) { return modules.with_code_at(address); });
  if (module == nullptr) {
    throw NotShippable(
        "A function at an address that belongs to no program or shared library (code generated at run time?) cannot be shipped.");
  }
  return {module->id, address - module->base};
}

const void* resolve(Token token) {
  const os::Module* module = find_module([&](const Modules& modules) { return modules.with_id(token.module); });
  if (module == nullptr) {
    throw EncodingError("The function belongs to a program or shared library (build-id " + hex(token.module) +
                        "...) that is not loaded in this process. Both sides must run the same build.");
  }
  if (!Modules::has_code(*module, token.offset)) {
    throw EncodingError("The function's offset " + hex(token.offset) + " is not in the code of its module: the message is damaged.");
  }
  return reinterpret_cast<const void*>(module->base + token.offset);
}

std::uint64_t main_module_id() {
  static const std::uint64_t id = os::loaded_modules().front().id;
  return id;
}

// A pointer to member is two words. On most machines the first is the function's address, or 1 + the offset of a
// virtual function in the vtable, and the second is added to `this`. On ARM, where code addresses may be odd, the
// second word is twice that, plus 1 for virtual functions. Null is a first word of 0 (on ARM: of a non-virtual).
namespace {

struct MemberPointer {
  std::uintptr_t code;
  std::intptr_t adjustment;

  bool is_virtual() const {
#if defined(__aarch64__) || defined(__arm__)
    return (adjustment & 1) != 0;
#else
    return (code & 1) != 0;
#endif
  }
};

}  // namespace

MemberToken member_token_of(const void* pointer_to_member) {
  MemberPointer raw;
  std::memcpy(&raw, pointer_to_member, sizeof raw);
  if (raw.code == 0 || raw.is_virtual()) return {{0, raw.code}, raw.adjustment};
  return {token_of(reinterpret_cast<const void*>(raw.code)), raw.adjustment};
}

void resolve_member(MemberToken token, void* pointer_to_member) {
  MemberPointer raw{static_cast<std::uintptr_t>(token.code.offset), static_cast<std::intptr_t>(token.adjustment)};
  if (token.code.module != 0) {
    raw.code = reinterpret_cast<std::uintptr_t>(resolve(token.code));
  } else if (raw.code != 0 && !raw.is_virtual()) {
    throw EncodingError("A pointer to a member function is neither code nor a virtual function: the message is damaged.");
  }
  std::memcpy(pointer_to_member, &raw, sizeof raw);
}

}  // namespace ipc::detail
