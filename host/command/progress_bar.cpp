#include "host/command/progress_bar.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "host/command/command.hpp"

namespace attractor::command {

ProgressBar::ProgressBar(Index total, bool hidden) : total_(total), hidden_(hidden || isatty(STDERR_FILENO) == 0) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fprintf(stderr, "\n");
}

void ProgressBar::show(Index done) {
  if (before_ < 0) before_ = done;
  const Clock::time_point now = Clock::now();
  if (hidden_ || (done < total_ && now - last_ < std::chrono::milliseconds(100))) return;
  last_ = now;
  drawn_ = true;
  const double share = total_ == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total_);
  const double seconds = std::max(std::chrono::duration<double>(now - begin_).count(), 1e-9);
  constexpr int width = 30;
  const auto filled = static_cast<int>(share * width);
  std::string bar(static_cast<std::size_t>(filled), '#');
  bar.resize(width, '.');
  std::fprintf(stderr, "\r[%s] %3d %%  %s of %s  %.0f/s ", bar.c_str(), static_cast<int>(100.0 * share),
               grouped(done).c_str(), grouped(total_).c_str(), static_cast<double>(done - before_) / seconds);
}

}  // namespace attractor::command
