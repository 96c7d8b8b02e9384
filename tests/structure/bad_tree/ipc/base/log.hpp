#pragma once

#include <ipc/ipc.hpp>         // expect room-order
#include <sys/types.h>         // expect kernel
#include "ipc/shm/arena.hpp"   // expect room-order
#include "ipc/base/lost.hpp"   // expect not-there
