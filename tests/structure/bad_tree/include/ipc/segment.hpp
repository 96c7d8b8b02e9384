#pragma once

#include <boost/interprocess/offset_ptr.hpp>  // expect interprocess
#include <ipc/fd.hpp>
