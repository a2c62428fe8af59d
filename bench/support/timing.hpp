#pragma once

/// Times and the order statistics that summarise it.

#include <chrono>
#include <ctime>
#include <vector>

namespace attractor::bench {

/// Wall-clock seconds that `work` takes.
template <class Work>
double seconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds of processor time that `work` takes in all threads: others on the machine slow it down, but take none of it.
template <class Work>
double processor_seconds(Work&& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// The smallest value that at least `share` of the values don't exceed (nearest rank). Not for empty input.
double quantile(std::vector<double> values, double share);

/// The middle value, or the mean of the two in the middle. Not for empty input.
double median(std::vector<double> values);

/// The median of a_i / b_i: pairs measured one after the other share the machine's state, so their ratio is steadier
/// than the ratio of the medians.
double median_ratio(const std::vector<double>& numerators, const std::vector<double>& denominators);

}  // namespace attractor::bench
