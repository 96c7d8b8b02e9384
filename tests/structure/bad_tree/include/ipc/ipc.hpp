// Leaves one out. // expect umbrella
#pragma once

#include <ipc/codec.hpp>
#include <ipc/error.hpp>
#include <ipc/fd.hpp>
#include <ipc/os/check.hpp>  // expect umbrella
#include <vector>            // expect umbrella
