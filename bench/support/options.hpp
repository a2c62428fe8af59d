#pragma once

/// Command-line options of the benchmark programs: `--name value` or `--name=value`, and flags `--name`.

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::bench {

/// A command line that can't be understood; the message says why.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Binds options to variables; the variables' values are the defaults that --help shows.
class Options {
 public:
  explicit Options(std::string purpose) : purpose_(std::move(purpose)) {}

  void add(const std::string& name, std::string& value, const std::string& help);
  void add(const std::string& name, int& value, const std::string& help);
  void add(const std::string& name, Index& value, const std::string& help);
  void add(const std::string& name, float& value, const std::string& help);
  void add(const std::string& name, std::vector<int>& values, const std::string& help);          ///< comma-separated
  void add(const std::string& name, std::vector<std::string>& values, const std::string& help);  ///< likewise
  void add_flag(const std::string& name, bool& value, const std::string& help);

  /// Sets the bound variables. False when --help was asked for and printed; there is then nothing left to do.
  /// @throws UsageError unknown option, missing or malformed value.
  [[nodiscard]] bool parse(int argc, const char* const* argv) const;

 private:
  struct Option {
    std::string name;
    std::string help;
    std::string default_text;
    bool takes_value = true;
    std::function<void(std::string_view)> set;
  };

  void print_help() const;
  [[nodiscard]] const Option& find(std::string_view name) const;

  std::string purpose_;
  std::vector<Option> options_;
};

}  // namespace attractor::bench
