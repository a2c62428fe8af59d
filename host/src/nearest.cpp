#include <attractor/nearest.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include <attractor/retrieval.hpp>

#include "host/src/access.hpp"
#include "host/src/host_memory.hpp"
#include "host/src/memory_state.hpp"
#include "host/src/validation.hpp"
#include "kernels/cpu/engine/lanes.hpp"

namespace attractor {
namespace {

/// Whether −x relaxes to the inverse of what x does.
bool has_inverses(const detail::Rule& rule) {
  const std::vector<float>* const thresholds = detail::thresholds_of(rule);
  if (thresholds != nullptr &&
      std::any_of(thresholds->begin(), thresholds->end(), [](float value) { return value != 0.0F; }))
    return false;
  if (const auto* const powers = std::get_if<DenseAssociativeOptions>(&rule))
    return powers->order % 2 == 0 && !powers->rectified;
  return !detail::is_normalised(rule);
}

/// Candidates beyond those asked for: what rounding of the scores might leave out.
constexpr Index spare_candidates = 3;

/// In double: squares leave the range of float.
double overlap(const float* pattern, const float* state, Index dimension) {
  double product = 0.0;
  double pattern_square = 0.0;
  double state_square = 0.0;
  for (Index k = 0; k < dimension; ++k) {
    const auto a = static_cast<double>(pattern[k]);
    const auto x = static_cast<double>(state[k]);
    product += a * x;
    pattern_square += a * a;
    state_square += x * x;
  }
  return pattern_square == 0.0 || state_square == 0.0 ? 0.0
                                                      : product / (std::sqrt(pattern_square) * std::sqrt(state_square));
}

/// Of a state, among which those of its k best patterns are.
using Candidates = std::vector<std::pair<Index, double>>;

void add_candidates(MatrixView<const float> stored, const float* state, std::span<const Index> patterns,
                    Candidates& candidates) {
  for (const Index pattern : patterns)
    if (pattern >= 0 &&
        std::none_of(candidates.begin(), candidates.end(), [&](const auto& other) { return other.first == pattern; }))
      candidates.emplace_back(pattern, overlap(stored.row(pattern), state, stored.columns));
}

/// Rows of length 1, or −1 times that, whatever their length; 0 stays, and so does what isn't finite.
Matrix<float> unit_rows(MatrixView<const float> rows, double sign) {
  Matrix<float> result(rows.rows, rows.columns);
  for (Index i = 0; i < rows.rows; ++i) {
    const float* const row = rows.row(i);
    const double square = std::inner_product(row, row + rows.columns, row, 0.0, std::plus<>(), [](float a, float b) {
      return static_cast<double>(a) * static_cast<double>(b);
    });
    const double factor = square == 0.0 ? 0.0 : sign / std::sqrt(square);
    std::transform(row, row + rows.columns, result.row(i),
                   [&](float x) { return static_cast<float>(factor * static_cast<double>(x)); });
  }
  return result;
}

Matrix<float> in_floats(const QueryView& rows) {
  Matrix<float> result(rows.rows(), rows.columns());
  for (Index i = 0; i < rows.rows(); ++i) cpu::copy_row(detail::row_of(rows, i), result.row(i), rows.columns());
  return result;
}

}  // namespace

Nearest nearest(const Memory& memory, const QueryView& given, const NearestOptions& options) {
  detail::check_queries(given, memory.dimension());
  detail::check_on_host(given, "states");
  detail::check_threads(options.threads);
  detail::check_retrieval_count(options.count, memory.pattern_count());
  detail::check_count(given.rows(), options.count, "nearest patterns");
  const bool inverses = has_inverses(detail::Access::state(memory).rule);
  const auto k = static_cast<std::size_t>(options.count);
  Nearest result{.pattern = std::vector<Index>(k * static_cast<std::size_t>(given.rows()), -1),
                 .overlap = std::vector<float>(k * static_cast<std::size_t>(given.rows()),
                                               std::numeric_limits<float>::quiet_NaN())};
  if (given.rows() == 0 || memory.pattern_count() == 0) return result;
  const Matrix<float> widened = given.floats() == nullptr ? in_floats(given) : Matrix<float>();
  const MatrixView<const float> states = given.floats() == nullptr ? widened.view() : *given.floats();
  const Matrix<float> patterns = detail::Access::state(memory).patterns.copy();
  const Memory cosines = Memory::modern_hopfield(memory.device(), unit_rows(patterns, 1.0));
  const Index taken = std::min(options.count + spare_candidates, memory.pattern_count());
  const RetrievalOptions retrieval{.count = taken, .posteriors = false, .threads = options.threads};
  const Retrieval alike = retrieve(cosines, unit_rows(states, 1.0), retrieval);
  const Retrieval opposite = inverses ? retrieve(cosines, unit_rows(states, -1.0), retrieval) : Retrieval{};
  for (Index i = 0; i < states.rows; ++i) {
    const std::size_t first = static_cast<std::size_t>(i) * k;
    Candidates candidates;
    const auto add = [&](const Retrieval& found) {
      const auto width = static_cast<std::size_t>(taken);
      add_candidates(patterns, states.row(i),
                     std::span(found.pattern).subspan(static_cast<std::size_t>(i) * width, width), candidates);
    };
    add(alike);
    if (inverses) add(opposite);
    std::sort(candidates.begin(), candidates.end(), [&](const auto& a, const auto& b) {
      const double one = inverses ? std::abs(a.second) : a.second;
      const double other = inverses ? std::abs(b.second) : b.second;
      return one != other ? one > other : a.first < b.first;
    });
    for (std::size_t j = 0; j < std::min(k, candidates.size()); ++j) {
      result.pattern[first + j] = candidates[j].first;
      result.overlap[first + j] = static_cast<float>(candidates[j].second);
    }
  }
  return result;
}

}  // namespace attractor
