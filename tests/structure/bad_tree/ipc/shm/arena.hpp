#pragma once

#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include "ipc/base/log.hpp"
#include "log.hpp"  // expect spelling
