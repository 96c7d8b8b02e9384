#pragma once

#include <cstddef>
#include <vector>

namespace ipc {

/// A message's bytes, owned. Arguments that are only read are `std::span<const std::byte>` or `std::string_view`.
using Bytes = std::vector<std::byte>;

}  // namespace ipc
