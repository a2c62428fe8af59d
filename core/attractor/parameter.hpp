#pragma once

/// How the structs that have parameters list them, once for checks, files and descriptions.

#include <limits>
#include <string_view>

namespace attractor::detail {

/// What a numeric parameter may be, and how messages say so.
struct Range {
  double least = std::numeric_limits<double>::lowest();
  double most = std::numeric_limits<double>::max();
  bool open = false;  ///< `least` itself is excluded
  std::string_view words = "finite";

  [[nodiscard]] constexpr bool contains(double value) const {
    return value <= most && (open ? value > least : value >= least);
  }
};

inline constexpr Range not_negative{.least = 0.0, .words = "finite and not negative"};
inline constexpr Range positive{.least = 0.0, .open = true, .words = "finite and positive"};

struct Parameter {
  std::string_view name;        ///< as in the options and in files
  Range range = {};             ///< of a number
  std::string_view label = {};  ///< in messages; none: the name
  bool in_all_files = true;     ///< else files of before there was such a parameter lack it, and its default holds
};

}  // namespace attractor::detail
