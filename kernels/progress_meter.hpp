#pragma once

/// The progress of a call, and whether to stop: shared by its threads, on every kind of device.

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include <attractor/relaxation.hpp>

namespace attractor::detail {

/// Counts finished queries and calls the caller's callback, one thread at a time.
class ProgressMeter {
 public:
  ProgressMeter(const RelaxCall& call, Index total) : call_(call), progress_{.finished = 0, .total = total} {}

  /// Adds to the finished queries; reports about 200 times in all. Never throws: a failing callback stops the call.
  void add(Index finished) {
    if (finished == 0 || !call_.progress) return;
    const std::scoped_lock lock(mutex_);
    progress_.finished += finished;
    if (progress_.finished >= next_report_) report();
  }

  /// To be asked between steps by every thread.
  [[nodiscard]] bool stopped() const { return failed_.load(std::memory_order_relaxed) || call_.stop.stop_requested(); }

  /// After all threads have ended: throws what the callback threw.
  void finish() {
    if (call_.progress && !failure_ && progress_.finished != reported_) report();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void report() {
    if (failure_) return;
    try {
      call_.progress(progress_);
      reported_ = progress_.finished;
      next_report_ = progress_.finished + std::max<Index>(progress_.total / 200, 1);
    } catch (...) {
      failure_ = std::current_exception();
      failed_.store(true, std::memory_order_relaxed);
    }
  }

  const RelaxCall& call_;
  Progress progress_;
  Index reported_ = -1;
  Index next_report_ = 0;
  std::mutex mutex_;
  std::exception_ptr failure_;
  std::atomic<bool> failed_ = false;
};

}  // namespace attractor::detail
