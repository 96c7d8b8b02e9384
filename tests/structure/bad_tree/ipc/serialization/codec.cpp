#include <vector>  // expect own-first
#include <ipc/codec.hpp>
#include <boost/archive/binary_iarchive.hpp>
#include <poll.h>                                // expect kernel
#include <boost/interprocess/managed_memory.hpp> // expect interprocess
