#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/reference.hpp>

/// Operations that know the type: they run on the server, found there by a token, so the server must be of the same build.

namespace ipc::detail {

/// Its bytes and descriptors, to be decoded, which may take the descriptors: duplicates.
std::vector<Fd> fds_of(const Element& element);
References references_of(const Element& element);
inline std::span<const std::byte> bytes_of_element(const Element& element) noexcept { return std::as_bytes(std::span(element.bytes)); }
/// The server that this thread is. Throws `UsageError` elsewhere.
const ServerId& server_here();
bool is_server_here(const ServerId& server) noexcept;
/// For the time of a scope this thread is the server.
class ServerHere {
 public:
  explicit ServerHere(const ServerId& server) noexcept;
  ServerHere(const ServerHere&) = delete;
  ServerHere& operator=(const ServerHere&) = delete;
  ~ServerHere();

 private:
  const ServerId* before_;
};
/// What was written, as an element.
Element close_element(Writer& writer, NotedProxies& noted);

/// On the server: what an element holds.
template <class T>
T value_of(const Element& element) {
  std::vector<Fd> fds = fds_of(element);
  const GrantedProxies granted(server_here(), references_of(element));
  Reader reader(bytes_of_element(element), fds);
  return decode_all<T>(reader);
}
/// On the server: the element that holds it.
template <class T>
Element element_of(T&& value) {
  std::array<std::byte, 256> scratch;
  Writer writer(scratch);
  NotedProxies noted(server_here());
  encode(writer, std::forward<T>(value));
  return close_element(writer, noted);
}
template <class F>
F callable_of(const Element& element) {
  std::vector<Fd> fds = fds_of(element);
  const GrantedProxies granted(server_here(), references_of(element));
  Reader reader(bytes_of_element(element), fds);
  return decode_callable<F>(reader);
}

/// Runs `f`, and makes what it returns the result.
template <class F>
void give(TypedCall& call, F f) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&>>)
    f();
  else
    call.result = std::make_unique<Element>(element_of(f()));
}

template <class T, class F>
void update_element(TypedCall& call) {
  F f = callable_of<F>(call.arguments.at(0));
  T value = value_of<T>(*call.element);
  give(call, [&]() -> decltype(auto) { return std::invoke(f, value); });
  *call.element = element_of(std::move(value));
}

template <class F>
void run_action(TypedCall& call) {
  F f = callable_of<F>(call.arguments.at(0));
  static_cast<void>(f());
}

/// As the wire has it; found once.
template <TypedOperation operation>
Token operation_token() {
  static const Token token = token_of(reinterpret_cast<const void*>(operation));
  return token;
}

/// Says which operation is to run, on what its callable is, and how many more arguments follow.
template <TypedOperation operation, class F>
Request& put_operation(Request& request, const F& f, std::uint32_t more = 0) {
  request.raw(operation_token<operation>()).raw(std::uint32_t{1 + more});
  return request.put_callable(f);
}
/// For operations without a callable.
template <TypedOperation operation>
Request& put_operation(Request& request, std::uint32_t arguments) {
  return request.raw(operation_token<operation>()).raw(arguments);
}

/// What a typed operation gave.
template <class Result>
Result take_result(Reply reply) {
  if constexpr (!std::is_void_v<Result>) return reply.take<Result>();
}

/// What `update(f)` gives.
template <class F, class T>
using UpdateResult = SentAs<std::invoke_result_t<std::decay_t<F>&, T&>>;

}  // namespace ipc::detail
