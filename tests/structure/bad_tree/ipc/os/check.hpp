#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <ipc/error.hpp>
