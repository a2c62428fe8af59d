#include "bench/support/progress.hpp"

#include <unistd.h>

namespace attractor::bench {

ProgressLine::ProgressLine(int stages, bool live) : stages_(stages), live_(live || isatty(STDERR_FILENO) == 1) {}

void ProgressLine::next_stage(const std::string& title) {
  ++stage_;
  title_ = std::to_string(stage_) + '/' + std::to_string(stages_) + ' ' + title;
  show(title_);
}

void ProgressLine::detail(const std::string& text) {
  if (live_) show(title_ + ": " + text);
}

void ProgressLine::clear() const {
  if (live_) std::fputs("\r\033[K", stderr);
}

void ProgressLine::show(const std::string& text) const {
  std::fputs(live_ ? ("\r\033[K" + text).c_str() : (text + '\n').c_str(), stderr);
}

}  // namespace attractor::bench
