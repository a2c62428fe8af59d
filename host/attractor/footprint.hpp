#pragma once

/// Footprints: the ranked agreement of patterns and queries, entry by entry (A-Hop, arXiv 2511.20609, eq. 5 to 7).

#include <concepts>
#include <cstddef>
#include <span>

#include <attractor/export.h>
#include <attractor/device.hpp>
#include <attractor/matrix.hpp>
#include <attractor/similarity.hpp>

namespace attractor {

struct FootprintOptions {
  FootprintBase base = FootprintBase::squared_distance;
  bool cumulative = true;  ///< running sums; false: the ranked terms themselves
  int threads = 0;         ///< of the CPU, at most 1024; 0: see RelaxerOptions
};

/// Footprints of every query with every pattern: row b·P + p is that of query b and pattern p, entry k the sum of its
/// k + 1 largest terms.
///
/// @param patterns [P × D], @param queries [B × D], finite, on the host.
/// @param device computes them. @param options see FootprintOptions.
/// @return [B·P × D]
/// @throws InvalidArgument null data, sizes below 1 (B = 0 gives no rows), different columns, a value that isn't
/// finite.
/// @throws std::bad_alloc, DeviceError, OutOfDeviceMemory
/// Complexity: O(BPD log² D) comparisons. Scoring needs no footprints: see Memory::adaptive.
ATTRACTOR_EXPORT Matrix<float> footprint(const Device& device, MatrixView<const float> patterns,
                                         MatrixView<const float> queries, const FootprintOptions& options = {});

namespace detail {
ATTRACTOR_EXPORT Matrix<float> footprint(const Device& device, MatrixView<const float> patterns,
                                         MatrixView<const float> queries, std::span<const FootprintPair> pairs,
                                         const FootprintOptions& options);
}  // namespace detail

/// Footprints of chosen pairs: row i is that of `pairs[i]`.
///
/// @return [pairs × D]
/// @throws InvalidArgument also for a pair outside the queries or the patterns.
///
/// Pairs are a span or what converts to one, or in braces; empty braces are options.
template <std::convertible_to<std::span<const FootprintPair>> Pairs>
Matrix<float> footprint(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                        const Pairs& pairs, const FootprintOptions& options = {}) {
  return detail::footprint(device, patterns, queries, pairs, options);
}
template <std::size_t count>
Matrix<float> footprint(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                        const FootprintPair (&pairs)[count], const FootprintOptions& options = {}) {
  return detail::footprint(device, patterns, queries, pairs, options);
}

}  // namespace attractor
