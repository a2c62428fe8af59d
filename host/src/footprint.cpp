#include <attractor/footprint.hpp>

#include <string>

#include <attractor/error.hpp>

#include "host/src/cuda_backend.hpp"
#include "host/src/host_memory.hpp"
#include "host/src/validation.hpp"
#include "kernels/cpu/adaptive/adaptive.hpp"

namespace attractor {
namespace {

void check(MatrixView<const float> patterns, MatrixView<const float> queries, const FootprintOptions& options) {
  detail::check_patterns_and_queries(patterns, queries);
  detail::check_threads(options.threads);
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

Matrix<float> rank(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                   std::span<const FootprintPair> pairs, Index rows, const FootprintOptions& options) {
  Matrix<float> result(rows, patterns.columns);
  if (device.kind() == Device::Kind::cuda)
    detail::cuda_footprints(device.index(), options, patterns, queries, pairs, result);
  else
    cpu::footprints(options.base, options.cumulative, cpu::PackedMatrix(patterns), queries, pairs, result,
                    options.threads);
  return result;
}

}  // namespace

Matrix<float> footprint(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                        const FootprintOptions& options) {
  detail::check_pattern_layout(patterns, "patterns");
  detail::check_queries(queries, patterns.columns);
  detail::check_count(queries.rows, patterns.rows * patterns.columns, "queries' footprints with every pattern");
  check(patterns, queries, options);
  return rank(device, patterns, queries, {}, queries.rows * patterns.rows, options);
}

Matrix<float> detail::footprint(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                                std::span<const FootprintPair> pairs, const FootprintOptions& options) {
  check(patterns, queries, options);
  check(pairs, queries.rows, patterns.rows);
  return rank(device, patterns, queries, pairs, static_cast<Index>(pairs.size()), options);
}

}  // namespace attractor
