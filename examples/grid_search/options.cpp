#include "options.hpp"

#include <CLI/CLI.hpp>
#include <ipc/process.hpp>

#include "bad_input.hpp"

namespace grid_search {

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  options.processes = static_cast<int>(ipc::process_cpu_count());
  CLI::App app("Tunes a regressor for each of eight topics of fortune cookies on all processors, and lets the eight vote.");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--data", options.data, "folder of the fortune files")->capture_default_str();
  app.add_option("--processes", options.processes, "worker processes")->capture_default_str();
  app.add_option("--grid", options.grid, "how many combinations are tried: small or full")->capture_default_str();
  app.add_option("--out", options.out, "keep every result in this CSV file as it arrives, and go on from what it has");
  app.add_option("--trace", options.trace, "write what each worker did and when to this file, for ui.perfetto.dev");
  app.add_flag("--sabotage", options.sabotage, "make one task throw, one crash and one be killed");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    app.exit(help);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw BadInput(std::string(error.what()) + ": see --help for the options there are.");
  }
  if (options.processes < 1) {
    throw BadInput("--processes is " + std::to_string(options.processes) + ": give the number of worker processes, 1 or more.");
  }
  if (options.grid != "small" && options.grid != "full") throw BadInput("--grid is " + options.grid + ": give small or full.");
  return options;
}

}  // namespace grid_search
