#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <ipc/detail/type_name.hpp>

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

/// The state of an `Object` that has a name, found or made from the arguments.
template <class Object, class State, class... Args>
std::shared_ptr<State> named_object(std::string_view name, detail::NameUse use, Args&&... args) {
  static_assert(std::is_standard_layout_v<State> && std::is_trivially_destructible_v<State> && alignof(State) <= cache_line);
  const auto named = Heap::instance().named({Name(name),
                                             use,
                                             detail::type_tag_of(typeid(Object)),
                                             detail::type_name<Object>(),
                                             {{{State::kind, sizeof(State), State::mutexes}, sizeof(State)}},
                                             [&](std::span<std::byte* const> at) { new (at[0]) State(std::forward<Args>(args)...); }});
  return {named.parts[0], reinterpret_cast<State*>(named.parts[0].get())};
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
