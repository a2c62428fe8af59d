#pragma once

/// What the command's parts share. Each adds itself to the command line, and works when it is chosen.

#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <attractor/attractor.hpp>

namespace attractor::command {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;

/// How the command ends: that all is well, that it isn't, that it was asked for what there isn't, and that a signal
/// came.
enum Exit : int { success = 0, failure = 1, wrong_usage = 2, interrupted = 130 };

/// What every part may be told.
struct Common {
  std::string device = "best";
  int threads = 0;
  bool json = false;   ///< results for machines, on one line
  bool quiet = false;  ///< no progress bar
};

/// Makes `app` the command with all its parts. `exit` becomes how the one that is chosen ends.
void add_parts(CLI::App& app, int& exit);

/// Adds the options of `common`.
void add_common(CLI::App& app, Common& common);

void add_make(CLI::App& app, int& exit);
void add_info(CLI::App& app, int& exit);
void add_fit(CLI::App& app, int& exit);
void add_relax(CLI::App& app, int& exit);
void add_retrieve(CLI::App& app, int& exit);
void add_nearest(CLI::App& app, int& exit);

/// Prints a result: as JSON, or what it says to people.
void report(const Common& common, const Json& result, const std::string& words);

/// 1234567 as "1,234,567".
std::string grouped(Index number);

}  // namespace attractor::command
