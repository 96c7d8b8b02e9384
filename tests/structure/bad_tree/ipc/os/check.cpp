#include <sys/mman.h>  // expect own-first
#include "ipc/os/check.hpp"
