#pragma once

#include <vector>

#include <ipc/error.hpp>

namespace ipc::serialization {

/// Where the exception that is being handled was thrown, the innermost call first, as far as a ThrowProbe saw it; given once.
std::vector<detail::CodePlace> take_throw_site();

}  // namespace ipc::serialization
