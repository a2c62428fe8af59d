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
/// @param patterns [P × D], @param queries [B × D], finite, each on the host or, of a CUDA device, on that: there they
/// are read as they lie if D, strides and addresses are multiples of four floats, else copied.
/// @param device computes them. @param options see FootprintOptions.
/// @return [B·P × D]
/// @throws InvalidArgument null data, sizes below 1 (B = 0 gives no rows), different columns, a value that isn't
/// finite, data on another device.
/// @throws NotSupported a CUDA device, and more than 4096 columns; data on a device while a stream that waits for the
/// default stream is being captured.
/// @throws std::bad_alloc, DeviceError, OutOfDeviceMemory
/// Complexity: O(BPD log² D) comparisons. Scoring needs no footprints: see Memory::adaptive. What is on a device may
/// still be on its way there on the default stream, not on others.
ATTRACTOR_EXPORT Matrix<float> footprint(const Device& device, MatrixView<const float> patterns,
                                         MatrixView<const float> queries, const FootprintOptions& options = {});

namespace detail {
ATTRACTOR_EXPORT Matrix<float> footprint(const Device& device, MatrixView<const float> patterns,
                                         MatrixView<const float> queries, std::span<const FootprintPair> pairs,
                                         const FootprintOptions& options);
ATTRACTOR_EXPORT void write_footprints(const Device& device, MatrixView<const float> patterns,
                                       MatrixView<const float> queries, MatrixView<float> results,
                                       const FootprintOptions& options);
ATTRACTOR_EXPORT void write_footprints(const Device& device, MatrixView<const float> patterns,
                                       MatrixView<const float> queries, std::span<const FootprintPair> pairs,
                                       MatrixView<float> results, const FootprintOptions& options);
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

/// The same into a matrix of the caller's, or a view of one: on the host or, of a CUDA device, on that. Returns when
/// all are there. A call that fails may have written some.
///
/// @param device computes them. @param patterns [P × D], @param queries [B × D] as above.
/// @param results [B·P × D], or [pairs × D]; on a device they are written where they lie if D, stride and address are
/// multiples of four floats, else copied there a bounded part at a time.
/// @param options see FootprintOptions.
/// @throws InvalidArgument also results of another shape, of null data, on another device, or that overlap something.
template <std::convertible_to<MatrixView<float>> Results>
void footprint(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
               Results&& results,  // NOLINT(cppcoreguidelines-missing-std-forward): it becomes a view
               const FootprintOptions& options = {}) {
  detail::write_footprints(device, patterns, queries, results, options);
}
template <std::convertible_to<std::span<const FootprintPair>> Pairs, std::convertible_to<MatrixView<float>> Results>
void footprint(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
               const Pairs& pairs,
               Results&& results,  // NOLINT(cppcoreguidelines-missing-std-forward): it becomes a view
               const FootprintOptions& options = {}) {
  detail::write_footprints(device, patterns, queries, pairs, results, options);
}

}  // namespace attractor
