#pragma once

#include <cstddef>

namespace ipc::os {

/// Lets this process have so many descriptors, or as many as it may, where it was allowed fewer. Processes that it forks
/// later inherit that.
void allow_descriptors(std::size_t count) noexcept;

}  // namespace ipc::os
