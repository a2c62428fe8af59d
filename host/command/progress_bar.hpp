#pragma once

/// How far the command has come, on a terminal.

#include <chrono>
#include <string>

#include <attractor/matrix.hpp>

namespace attractor::command {

class ProgressBar {
 public:
  /// Nothing is drawn if `hidden`, or where standard error is no terminal.
  ProgressBar(Index total, bool hidden);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  /// Of all, so many are done; some of them may have been before.
  void show(Index done);

 private:
  using Clock = std::chrono::steady_clock;

  Index total_;
  bool hidden_;
  bool drawn_ = false;
  Index before_ = -1;  ///< when it began
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_;
};

}  // namespace attractor::command
