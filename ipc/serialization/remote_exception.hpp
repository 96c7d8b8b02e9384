#pragma once

#include <cstddef>
#include <exception>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <cxxabi.h>

#include <ipc/error.hpp>

namespace ipc::serialization {

/// An exception of another process: both the standard type `T` that it had there and `RemoteError`. what() is the
/// other process's, whichever base it is asked through.
template <class T>
class RemoteException : public T, public RemoteError {
 public:
  RemoteException(T standard, RemoteError remote) : T(std::move(standard)), RemoteError(std::move(remote)) {}
  const char* what() const noexcept override { return RemoteError::what(); }
};

/// With one nested in it, for `std::rethrow_if_nested`: the one that is being handled where it is constructed.
template <class Outer>
class Nested final : public Outer, public std::nested_exception {
 public:
  explicit Nested(Outer outer) : Outer(std::move(outer)) {}
};

#ifdef __GLIBCXX__

/// The type that an `Object`, which is a `RemoteException<T>`, is thrown as. It has two `std::exception` bases, and C++ says that a handler
/// for an ambiguous base does not match, so that `catch (const std::exception&)` would let it pass. The run-time
/// library asks the thrown object's type_info to make a pointer for the handler's type (`__do_upcast`); this one knows
/// the bases by name and gives T's for those that are there twice. `Above` are the bases of T, nearest first.
///
/// SUBTLE: only matching handlers sees this type. The object's own type_info, which dynamic_cast and the sanitizers
/// use, is the compiler's.
template <class Object, class T, class... Above>
class RemoteType final : public __cxxabiv1::__class_type_info {
 public:
  RemoteType() : __class_type_info(typeid(Object).name()) {}

 protected:
  using __class_type_info::__do_upcast;
  bool __do_upcast(const __class_type_info* wanted, void** object) const override {
    auto* exception = static_cast<Object*>(*object);
    if constexpr (std::is_base_of_v<std::nested_exception, Object>) {
      if (matches<std::nested_exception>(*wanted, exception, object)) return true;
    }
    return matches<T>(*wanted, static_cast<T*>(exception), object) ||
           (matches<Above>(*wanted, static_cast<T*>(exception), object) || ...) ||
           matches<RemoteError>(*wanted, static_cast<RemoteError*>(exception), object) ||
           matches<Error>(*wanted, static_cast<RemoteError*>(exception), object) ||
           matches<std::runtime_error>(*wanted, static_cast<RemoteError*>(exception), object) ||
           matches<std::exception>(*wanted, static_cast<T*>(exception), object);
  }

 private:
  template <class Base>
  static bool matches(const std::type_info& wanted, Base* base, void** object) {
    if (!(wanted == typeid(Base))) return false;
    *object = base;
    return true;
  }
};

/// Throws and catches once, which is the only way to an exception_ptr of a chosen type.
template <class T, class... Above, class Object>
std::exception_ptr make_pointer(Object object) {
  using Type = RemoteType<Object, T, Above...>;
  // Never destroyed: an exception may be in flight while static objects are destroyed.
  alignas(Type) static std::byte type_storage[sizeof(Type)];
  static auto* type = ::new (static_cast<void*>(type_storage)) Type();
  try {
    void* memory = __cxxabiv1::__cxa_allocate_exception(sizeof(Object));
    static_assert(std::is_nothrow_move_constructible_v<Object>);
    ::new (memory) Object(std::move(object));
    __cxxabiv1::__cxa_throw(memory, type, [](void* thrown) { static_cast<Object*>(thrown)->~Object(); });
  } catch (...) {
    return std::current_exception();
  }
}

#else

template <class T, class... Above, class Object>
std::exception_ptr make_pointer(Object object) {
  return std::make_exception_ptr(std::move(object));
}

#endif

/// What a process throws for the one that it was told of; `nested` is the one nested in it, or null.
template <class T, class... Above>
std::exception_ptr make_remote(T standard, RemoteError remote, const std::exception_ptr& nested) {
  RemoteException<T> outer(std::move(standard), std::move(remote));
  if (nested == nullptr) return make_pointer<T, Above...>(std::move(outer));
  try {
    std::rethrow_exception(nested);
  } catch (...) {
    return make_pointer<T, Above...>(Nested<RemoteException<T>>(std::move(outer)));
  }
}
inline std::exception_ptr make_remote(RemoteError remote, const std::exception_ptr& nested) {
  if (nested == nullptr) return std::make_exception_ptr(std::move(remote));
  try {
    std::rethrow_exception(nested);
  } catch (...) {
    return std::make_exception_ptr(Nested<RemoteError>(std::move(remote)));
  }
}

}  // namespace ipc::serialization
