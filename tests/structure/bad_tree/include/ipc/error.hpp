#pragma once

#include <stdexcept>
#include <ipc/fd.hpp>  // expect room-order
