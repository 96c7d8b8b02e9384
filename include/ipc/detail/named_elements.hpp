#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <typeinfo>

#include <ipc/detail/lock_handle.hpp>
#include <ipc/detail/name_use.hpp>
#include <ipc/detail/shared_elements.hpp>

namespace ipc::detail {

/// Elements and the RLock that protects them, under one name: what a named `Value` or `Array` consists of.
struct NamedElements {
  SharedElements elements;
  LockHandle lock;
};

struct NamedElementsRequest {
  std::string_view name;
  NameUse use;
  const std::type_info& object;  ///< `Value<T>`…
  std::string object_name;       ///< …as it is written.
  std::uint64_t element_tag;     ///< As `SharedElements`'.
  std::size_t element_size;
  std::size_t count;    ///< Not for `NameUse::open`.
  const void* initial;  ///< So many elements to begin with; nullptr for zeros.
};

/// Throws `std::system_error` (EEXIST, ENOENT), and `UsageError` when there is something else of that name, or, for
/// `open_or_create`, another number of elements.
NamedElements named_elements(const NamedElementsRequest& request);

}  // namespace ipc::detail
