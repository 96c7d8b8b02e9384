#pragma once

namespace ipc::detail {

/// What is to be done with a name (see unlink.hpp).
enum class NameUse { create, open, open_or_create };

}  // namespace ipc::detail
