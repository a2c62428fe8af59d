#pragma once

/// What a program is doing, told on stderr.

#include <cstdio>
#include <string>

namespace attractor::bench {

/// On a terminal one line that is overwritten as the work goes on; elsewhere one plain line for each stage.
class ProgressLine {
 public:
  /// @param live overwrite the line even where stderr is no terminal
  ProgressLine(int stages, bool live);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine(ProgressLine&&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ProgressLine& operator=(ProgressLine&&) = delete;
  ~ProgressLine() { clear(); }

  void next_stage(const std::string& title);
  void detail(const std::string& text);  ///< what the current stage is doing; only on a live line
  void clear() const;                    ///< leaves the terminal's line empty for other output

 private:
  void show(const std::string& text) const;

  int stages_;
  int stage_ = 0;
  bool live_;
  std::string title_;
};

}  // namespace attractor::bench
