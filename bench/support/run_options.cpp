#include "bench/support/run_options.hpp"

#include <charconv>
#include <exception>
#include <iostream>

#include <omp.h>

namespace attractor::bench {

void RunOptions::add_to(Options& options) {
  options.add("--device", device, "best, cpu, cuda, or cuda:N for another than the first");
  options.add("--threads", threads, "worker threads; 0: all cores");
  options.add("--seed", seed, "of everything drawn at random");
  options.add("--relative", relative, "halting tolerance, relative to the energy");
  options.add("--absolute", absolute, "halting tolerance in units of the energy");
  options.add("--patience", patience, "steps in a row within tolerance before a query halts");
  options.add("--max-steps", max_steps, "steps after which a query stops in any case");
  options.add("--repetitions", repetitions, "interleaved timings of each way; medians are reported");
  options.add("--output", output, "folder for the files written");
  options.add_flag("--progress", progress, "show live progress even where stderr is no terminal");
}

Device RunOptions::chosen_device() const {
  if (device == "best") return Device::best();
  if (device == "cpu") return Device::cpu();
  if (device == "cuda") return Device::cuda();
  const std::string prefix = "cuda:";
  int index = 0;
  const char* const end = device.data() + device.size();
  if (device.starts_with(prefix) && std::from_chars(device.data() + prefix.size(), end, index).ptr == end)
    return Device::cuda(index);
  throw UsageError("--device: '" + device + "' is not best, cpu, cuda or cuda:N");
}

RelaxerOptions RunOptions::relaxer() const {
  if (repetitions < 1) throw UsageError("--repetitions must be at least 1");
  return {.halting = energy_stable({.absolute = absolute, .relative = relative, .patience = patience}),
          .max_steps = max_steps,
          .threads = threads};
}

Record RunOptions::context() const {
  return {{"device", chosen_device().description()},
          {"threads", std::int64_t{threads > 0 ? threads : omp_get_max_threads()}},
          {"seed", seed},
          {"relative_tolerance", double{relative}},
          {"absolute_tolerance", double{absolute}},
          {"patience", std::int64_t{patience}},
          {"max_steps", std::int64_t{max_steps}},
          {"repetitions", std::int64_t{repetitions}},
          {"version", ATTRACTOR_VERSION}};
}

std::filesystem::path RunOptions::file(const std::string& name) const {
  std::filesystem::create_directories(output);
  return std::filesystem::path(output) / name;
}

void RunOptions::write(const std::string& name, const std::string& list, const Record& context,
                       const std::vector<Record>& records) const {
  write_csv(file(name + ".csv"), records);
  write_json(file(name + ".json"), context, {{list, records}});
}

Record joined(Record context, const Record& details) {
  context.insert(context.end(), details.begin(), details.end());
  return context;
}

Record untimed(Record context) {
  std::erase_if(context, [](const auto& entry) {
    return entry.first.ends_with("_tolerance") || entry.first == "patience" || entry.first == "repetitions";
  });
  return context;
}

int run_program(const std::function<void()>& body) {
  try {
    body();
    return 0;
  } catch (const UsageError& error) {
    std::cerr << "usage: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}

}  // namespace attractor::bench
