#include <cstdio>
#include <string>

#include "host/command/command.hpp"

namespace attractor::command {

void add_common(CLI::App& app, Common& common) {
  app.add_option("--device", common.device, "best (the first CUDA device, or else the processor), cpu, cuda or cuda:N")
      ->capture_default_str();
  app.add_option("--threads", common.threads, "of the processor; 0: as many as it has")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_flag("--json", common.json, "print the result as JSON, for machines");
  app.add_flag("--quiet", common.quiet, "no progress bar");
}

void report(const Common& common, const Json& result, const std::string& words) {
  std::printf("%s\n", common.json ? result.dump().c_str() : words.c_str());
}

std::string grouped(Index number) {
  std::string text = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t i = text.size(); i > first + 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

}  // namespace attractor::command
