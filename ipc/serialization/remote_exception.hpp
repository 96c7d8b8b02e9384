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
class RemoteException final : public T, public RemoteError {
 public:
  RemoteException(T standard, RemoteError remote) : T(std::move(standard)), RemoteError(std::move(remote)) {}
  const char* what() const noexcept override { return RemoteError::what(); }
};

#ifdef __GLIBCXX__

/// The type that a `RemoteException<T>` is thrown as. It has two `std::exception` bases, and C++ says that a handler
/// for an ambiguous base does not match, so that `catch (const std::exception&)` would let it pass. The run-time
/// library asks the thrown object's type_info to make a pointer for the handler's type (`__do_upcast`); this one knows
/// the bases by name and gives T's for those that are there twice. `Above` are the bases of T, nearest first.
///
/// SUBTLE: only matching handlers sees this type. The object's own type_info, which dynamic_cast and the sanitizers
/// use, is the compiler's.
template <class T, class... Above>
class RemoteType final : public __cxxabiv1::__class_type_info {
 public:
  RemoteType() : __class_type_info(typeid(RemoteException<T>).name()) {}

 protected:
  using __class_type_info::__do_upcast;
  bool __do_upcast(const __class_type_info* wanted, void** object) const override {
    auto* exception = static_cast<RemoteException<T>*>(*object);
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
template <class T, class... Above>
std::exception_ptr make_remote(T standard, RemoteError remote) {
  using Object = RemoteException<T>;
  Object object(std::move(standard), std::move(remote));
  // Never destroyed: an exception may be in flight while static objects are destroyed.
  alignas(RemoteType<T, Above...>) static std::byte type_storage[sizeof(RemoteType<T, Above...>)];
  static auto* type = ::new (static_cast<void*>(type_storage)) RemoteType<T, Above...>();
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

template <class T, class... Above>
std::exception_ptr make_remote(T standard, RemoteError remote) {
  return std::make_exception_ptr(RemoteException<T>(std::move(standard), std::move(remote)));
}

#endif

}  // namespace ipc::serialization
