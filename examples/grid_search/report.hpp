#pragma once

#include <filesystem>
#include <ipc/pool.hpp>

#include "ensemble.hpp"
#include "search.hpp"
#include "study.hpp"

namespace grid_search {

/// What is printed to standard output, in this order.
void print_plan(const Study& study, double feature_seconds, std::size_t known, int processes);
void print_lost(const Study& study, const Progress& progress);
void print_ensemble(const Study& study, const Ensemble& ensemble);
void print_progress(const Progress& progress);
void print_trace(const std::filesystem::path& file, const ipc::PoolStats& workers);
void print_speed_up(const SpeedUp& speed_up, int processes);

}  // namespace grid_search
