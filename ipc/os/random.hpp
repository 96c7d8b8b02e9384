#pragma once

#include <cstddef>
#include <span>

namespace ipc::os {

/// Fills `bytes` with what nobody can guess (getrandom(2)). Any thread, also after fork. Throws `std::system_error`.
void fill_random(std::span<std::byte> bytes);

}  // namespace ipc::os
