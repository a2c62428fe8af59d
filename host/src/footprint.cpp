#include <attractor/footprint.hpp>

#include <string>

#include <attractor/error.hpp>

#include "host/src/cuda_backend.hpp"
#include "host/src/host_memory.hpp"
#include "host/src/rows.hpp"
#include "host/src/validation.hpp"
#include "kernels/cpu/adaptive/adaptive.hpp"

namespace attractor {
namespace {

/// Patterns and queries, wherever they are.
void check(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
           const FootprintOptions& options) {
  detail::check_pattern_layout(patterns, "patterns");
  detail::check_queries(queries, patterns.columns);
  detail::check_threads(options.threads);
  const detail::Rows finite_patterns(device, patterns, "patterns");
  const detail::Rows finite_queries(device, queries, "queries");
}

void check_all(MatrixView<const float> patterns, MatrixView<const float> queries) {
  detail::check_pattern_layout(patterns, "patterns");
  detail::check_queries(queries, patterns.columns);
  detail::check_count(queries.rows, patterns.rows * patterns.columns, "queries' footprints with every pattern");
}

void check(std::span<const FootprintPair> pairs, Index queries, Index patterns) {
  detail::check_on_host(pairs, "pairs");
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [query, pattern] = pairs[i];
    if (query < 0 || query >= queries || pattern < 0 || pattern >= patterns)
      throw InvalidArgument("pair " + std::to_string(i) + " is of query " + std::to_string(query) + " and pattern " +
                            std::to_string(pattern) + "; there are " + std::to_string(queries) + " queries and " +
                            std::to_string(patterns) + " patterns");
  }
}

/// Waits for what the caller has enqueued on results, too, where they are on a device.
void check_place(const Device& device, MatrixView<float> results) {
  if (!results.empty() && !detail::is_on_device(device, results.data, "footprints"))
    detail::check_on_host(results, "footprints");
}

void rank(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
          std::span<const FootprintPair> pairs, MatrixView<float> results, const FootprintOptions& options) {
  if (device.kind() == Device::Kind::cuda)
    detail::cuda_footprints(device.index(), options, patterns, queries, pairs, results);
  else
    cpu::footprints(options.base, options.cumulative, cpu::PackedMatrix(patterns), queries, pairs, results,
                    options.threads);
}

}  // namespace

Matrix<float> footprint(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                        const FootprintOptions& options) {
  check_all(patterns, queries);
  check(device, patterns, queries, options);
  Matrix<float> results(queries.rows * patterns.rows, patterns.columns);
  rank(device, patterns, queries, {}, results, options);
  return results;
}

Matrix<float> detail::footprint(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                                std::span<const FootprintPair> pairs, const FootprintOptions& options) {
  check(device, patterns, queries, options);
  check(pairs, queries.rows, patterns.rows);
  Matrix<float> results(static_cast<Index>(pairs.size()), patterns.columns);
  rank(device, patterns, queries, pairs, results, options);
  return results;
}

void detail::write_footprints(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                              MatrixView<float> results, const FootprintOptions& options) {
  check_all(patterns, queries);
  check_results(results, patterns, queries, queries.rows * patterns.rows);
  check(device, patterns, queries, options);
  check_place(device, results);
  rank(device, patterns, queries, {}, results, options);
}

void detail::write_footprints(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                              std::span<const FootprintPair> pairs, MatrixView<float> results,
                              const FootprintOptions& options) {
  check_pattern_layout(patterns, "patterns");
  check_results(results, patterns, queries, static_cast<Index>(pairs.size()));
  check(device, patterns, queries, options);
  check(pairs, queries.rows, patterns.rows);
  check_place(device, results);
  rank(device, patterns, queries, pairs, results, options);
}

}  // namespace attractor
