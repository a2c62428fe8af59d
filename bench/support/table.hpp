#pragma once

/// Tables for the terminal, and numbers as people read them.

#include <iosfwd>
#include <string>
#include <vector>

namespace attractor::bench {

/// Right-aligned columns under headings; the first column is left-aligned.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}

  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }  ///< as many cells as headings
  void print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string padded(const std::string& text, std::size_t characters);  ///< UTF-8 text, spaces after it up to that width
std::string decimal(double value, int digits);                        ///< 3.14
std::string percent(double share, int digits);                        ///< 0.314 as 31.4
std::string grouped(double value);                                    ///< 1,234,567

}  // namespace attractor::bench
