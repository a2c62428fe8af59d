#include "tests/support/results.hpp"

#include <bit>
#include <cstdint>

#include "tests/support/data.hpp"

namespace attractor::test {
namespace {

using testing::AssertionFailure;
using testing::AssertionResult;
using testing::AssertionSuccess;

std::uint32_t bits(float value) { return std::bit_cast<std::uint32_t>(value); }

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Row `i`, empty where the result lacks this part.
std::span<const float> part_row(const Matrix<float>& part, Index i) {
  if (part.columns() == 0) return {};
  return row_of(part, i);
}

std::span<const float> part_row(const std::vector<float>& part, Index i) {
  if (part.empty()) return {};
  return {&part.at(at(i)), 1};
}

}  // namespace

AssertionResult same_bits(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return AssertionFailure() << a.size() << " and " << b.size() << " values";
  for (std::size_t i = 0; i < a.size(); ++i)
    if (bits(a[i]) != bits(b[i])) return AssertionFailure() << "value " << i << " is " << a[i] << " and " << b[i];
  return AssertionSuccess();
}

AssertionResult same_bits(MatrixView<const float> a, MatrixView<const float> b) {
  if (a.rows != b.rows || a.columns != b.columns)
    return AssertionFailure() << a.rows << "×" << a.columns << " and " << b.rows << "×" << b.columns;
  for (Index i = 0; i < a.rows; ++i) {
    const AssertionResult same = same_bits({a.row(i), at(a.columns)}, {b.row(i), at(b.columns)});
    if (!same) return AssertionFailure() << "row " << i << ": " << same.message();
  }
  return AssertionSuccess();
}

AssertionResult same_row(const Relaxation& a, Index i, const Relaxation& b, Index j) {
  if (a.steps.at(at(i)) != b.steps.at(at(j)))
    return AssertionFailure() << "steps are " << a.steps.at(at(i)) << " and " << b.steps.at(at(j));
  if (a.status.at(at(i)) != b.status.at(at(j)))
    return AssertionFailure() << "statuses are " << to_string(a.status.at(at(i))) << " and "
                              << to_string(b.status.at(at(j)));
  const AssertionResult states = same_bits(part_row(a.states, i), part_row(b.states, j));
  if (!states) return AssertionFailure() << "states: " << states.message();
  const AssertionResult energies = same_bits(part_row(a.energies, i), part_row(b.energies, j));
  if (!energies) return AssertionFailure() << "energies: " << energies.message();
  const AssertionResult traces = same_bits(part_row(a.energy_trace, i), part_row(b.energy_trace, j));
  if (!traces) return AssertionFailure() << "traces: " << traces.message();
  const AssertionResult contents = same_bits(part_row(a.contents, i), part_row(b.contents, j));
  if (!contents) return AssertionFailure() << "contents: " << contents.message();
  return AssertionSuccess();
}

AssertionResult same_results(const Relaxation& a, const Relaxation& b) {
  if (a.steps.size() != b.steps.size())
    return AssertionFailure() << a.steps.size() << " and " << b.steps.size() << " results";
  for (Index i = 0; i < static_cast<Index>(a.steps.size()); ++i) {
    const AssertionResult same = same_row(a, i, b, i);
    if (!same) return AssertionFailure() << "query " << i << ": " << same.message();
  }
  return AssertionSuccess();
}

}  // namespace attractor::test
