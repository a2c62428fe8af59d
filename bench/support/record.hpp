#pragma once

/// Results as named values, written as CSV and as JSON.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace attractor::bench {

using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string>;  ///< monostate: not known
using Record = std::vector<std::pair<std::string, Value>>;                            ///< in the order they are written

/// One line for each record under the names of the first; all records have the same names.
/// @throws std::runtime_error the file can't be written.
void write_csv(const std::filesystem::path& path, const std::vector<Record>& records);

/// One object: `context`, and an array of objects for each named list.
/// @throws std::runtime_error the file can't be written.
void write_json(const std::filesystem::path& path, const Record& context,
                const std::vector<std::pair<std::string, std::vector<Record>>>& lists);

}  // namespace attractor::bench
