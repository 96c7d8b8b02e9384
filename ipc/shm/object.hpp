#pragma once

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "ipc/shm/heap.hpp"

namespace ipc::shm {

/// Typed access to the heap for structures that live in shared memory. Such a `State` names its `kind` and how many robust
/// mutexes it begins with (`mutexes`, one a cache line).

template <class State, class... Args>
std::shared_ptr<State> make_object(Args&&... args) {
  static_assert(std::is_standard_layout_v<State> && std::is_trivially_destructible_v<State> && alignof(State) <= cache_line);
  const auto bytes = Heap::instance().make({State::kind, sizeof(State), State::mutexes},
                                           [&](std::byte* at) { new (at) State(std::forward<Args>(args)...); });
  return {bytes, reinterpret_cast<State*>(bytes.get())};
}

template <class State>
void encode_object(detail::Writer& writer, const std::shared_ptr<State>& state) {
  Heap::instance().encode(writer, reinterpret_cast<const std::byte*>(state.get()));
}

template <class State>
std::shared_ptr<State> decode_object(detail::Reader& reader) {
  const auto bytes = Heap::instance().decode(reader, State::kind, sizeof(State));
  return {bytes, reinterpret_cast<State*>(bytes.get())};
}

}  // namespace ipc::shm
