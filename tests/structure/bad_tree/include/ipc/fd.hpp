// Has no guard. // expect once
#include <unistd.h>
#include <ipc/error.hpp>
