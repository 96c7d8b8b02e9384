#pragma once

#include <boost/serialization/access.hpp>
#include <boost/archive/basic_archive.hpp>  // expect serialization
#include "ipc/os/check.hpp"                 // expect private
