#pragma once

/// Signals that ask the command to end: it finishes what it can keep.

#include <atomic>
#include <stop_token>
#include <thread>

namespace attractor::command {

/// While one lives, SIGINT and SIGTERM ask for a stop instead of ending the process; a second one ends it. Make it
/// before any other thread, for they inherit that these signals are left to it.
class Interruption {
 public:
  Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();

  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

  /// 128 and the signal's number, as shells have it; 0 where none came.
  [[nodiscard]] int exit_code() const { return signal_ == 0 ? 0 : 128 + signal_; }

 private:
  void wait(const std::stop_token& ends);

  std::stop_source stop_;
  std::atomic<int> signal_ = 0;
  std::jthread waiter_;
};

}  // namespace attractor::command
