#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <attractor/error.hpp>

#include "host/src/linear_rules.hpp"
#include "host/src/memory_state.hpp"
#include "host/src/validation.hpp"

namespace attractor {
namespace detail {
namespace {

Matrix<float> copy(MatrixView<const float> matrix) {
  Matrix<float> result(matrix.rows, matrix.columns);
  for (Index i = 0; i < matrix.rows; ++i) std::copy_n(matrix.row(i), matrix.columns, result.row(i));
  return result;
}

/// The rows of `first`, then those of `second`.
Matrix<float> stack(MatrixView<const float> first, MatrixView<const float> second) {
  Matrix<float> result(first.rows + second.rows, first.columns);
  for (Index i = 0; i < first.rows; ++i) std::copy_n(first.row(i), first.columns, result.row(i));
  for (Index i = 0; i < second.rows; ++i) std::copy_n(second.row(i), first.columns, result.row(first.rows + i));
  return result;
}

Matrix<float> select(MatrixView<const float> matrix, const std::vector<Index>& rows) {
  Matrix<float> result(static_cast<Index>(rows.size()), matrix.columns);
  for (Index i = 0; i < result.rows(); ++i)
    std::copy_n(matrix.row(rows[static_cast<std::size_t>(i)]), matrix.columns, result.row(i));
  return result;
}

/// Operations of a factored step are 2·2PD, of a dense one 2D².
Evaluation cheaper(Evaluation asked, MatrixView<const float> factor) {
  if (asked != Evaluation::automatic) return asked;
  return 2 * cpu::padded(factor.rows) < factor.columns ? Evaluation::factored : Evaluation::dense;
}

cpu::Field linear_field(MatrixView<const float> factor, float scale, bool self_coupling, Evaluation evaluation) {
  if (cheaper(evaluation, factor) == Evaluation::factored) return factored_field(factor, scale, self_coupling);
  return dense_field(factor, scale, self_coupling);
}

cpu::Field make_field(const HebbianOptions& rule, MatrixView<const float> patterns) {
  const float scale = 1.0F / static_cast<float>(patterns.columns);
  return linear_field(patterns, scale, rule.self_coupling, rule.evaluation);
}

cpu::Field make_field(const ProjectionOptions& rule, MatrixView<const float> patterns) {
  return linear_field(projection_factor(patterns, rule.ridge), 1.0F, rule.self_coupling, rule.evaluation);
}

double largest_squared_norm(MatrixView<const float> patterns) {
  double largest = 0.0;
  for (Index i = 0; i < patterns.rows; ++i) {
    double sum = 0.0;
    for (Index j = 0; j < patterns.columns; ++j) sum += std::pow(static_cast<double>(patterns(i, j)), 2);
    largest = std::max(largest, sum);
  }
  return largest;
}

cpu::Field make_field(const ModernHopfieldOptions& rule, MatrixView<const float> patterns) {
  cpu::SoftmaxField field{
      .patterns = cpu::PackedMatrix(patterns),
      .ones = cpu::AlignedFloats(cpu::padded(patterns.columns)),
      .beta = rule.beta,
      .energy_offset = std::log(static_cast<double>(patterns.rows)) / static_cast<double>(rule.beta) +
                       0.5 * largest_squared_norm(patterns)};
  std::fill_n(field.ones.data(), patterns.columns, 1.0F);
  return field;
}

std::shared_ptr<const MemoryState> make_state(const Device& device, const Rule& rule, Matrix<float> patterns,
                                              Matrix<float> contents) {
  auto state = std::make_shared<MemoryState>(MemoryState{
      .device = device,
      .rule = rule,
      .patterns = {},
      .contents = {},
      .field = std::visit([&](const auto& r) { return make_field(r, patterns); }, rule),
      .packed_contents = std::nullopt,
  });
  if (!contents.empty()) state->packed_contents.emplace(contents);
  state->patterns = std::move(patterns);
  state->contents = std::move(contents);
  return state;
}

/// Marks the patterns to drop.
std::vector<bool> mark(std::span<const Index> indices, Index count) {
  std::vector<bool> marked(static_cast<std::size_t>(count), false);
  for (const Index index : indices) {
    const std::string name = "pattern " + std::to_string(index);
    if (index < 0 || index >= count)
      throw InvalidArgument(name + " can't be forgotten: the memory has " + std::to_string(count) + " patterns");
    if (marked[static_cast<std::size_t>(index)]) throw InvalidArgument(name + " is named twice");
    marked[static_cast<std::size_t>(index)] = true;
  }
  return marked;
}

}  // namespace
}  // namespace detail

Memory::Memory(std::shared_ptr<const detail::MemoryState> state) : state_(std::move(state)) {}

Memory Memory::hebbian(const Device& device, MatrixView<const float> patterns, const HebbianOptions& options) {
  detail::check_patterns(patterns, "patterns");
  return Memory(detail::make_state(device, options, detail::copy(patterns), {}));
}

Memory Memory::projection(const Device& device, MatrixView<const float> patterns, const ProjectionOptions& options) {
  detail::check_patterns(patterns, "patterns");
  detail::check_options(options);
  return Memory(detail::make_state(device, options, detail::copy(patterns), {}));
}

Memory Memory::modern_hopfield(const Device& device, MatrixView<const float> patterns,
                               const ModernHopfieldOptions& options) {
  detail::check_patterns(patterns, "patterns");
  detail::check_options(options);
  const bool has_contents = options.contents.data != nullptr || !options.contents.empty();
  if (has_contents) detail::check_contents(options.contents, patterns.rows);
  return Memory(detail::make_state(device, ModernHopfieldOptions{.beta = options.beta}, detail::copy(patterns),
                                   detail::copy(options.contents)));
}

void Memory::imprint(MatrixView<const float> new_patterns, MatrixView<const float> new_contents) {
  detail::check_patterns(new_patterns, "patterns");
  if (new_patterns.columns != dimension())
    throw InvalidArgument("patterns have " + std::to_string(new_patterns.columns) +
                          " columns, the memory's dimension is " + std::to_string(dimension()));
  const bool given = new_contents.data != nullptr || !new_contents.empty();
  if (given == contents().empty())
    throw InvalidArgument(given ? "contents were given, but the memory has none"
                                : "the memory has contents; none were given");
  if (given) {
    detail::check_contents(new_contents, new_patterns.rows);
    if (new_contents.columns != contents().columns)
      throw InvalidArgument("contents have " + std::to_string(new_contents.columns) + " columns, those of the memory " +
                            std::to_string(contents().columns));
  }
  state_ = detail::make_state(state_->device, state_->rule, detail::stack(patterns(), new_patterns),
                              detail::stack(contents(), new_contents));
}

void Memory::forget(std::span<const Index> indices) {
  const std::vector<bool> forgotten = detail::mark(indices, pattern_count());
  std::vector<Index> kept;
  for (Index i = 0; i < pattern_count(); ++i)
    if (!forgotten[static_cast<std::size_t>(i)]) kept.push_back(i);
  if (kept.empty())
    throw InvalidArgument("all " + std::to_string(pattern_count()) + " patterns would be forgotten; one must remain");
  state_ = detail::make_state(state_->device, state_->rule, detail::select(patterns(), kept),
                              contents().empty() ? Matrix<float>() : detail::select(contents(), kept));
}

MatrixView<const float> Memory::patterns() const { return state_->patterns; }
MatrixView<const float> Memory::contents() const { return state_->contents; }
Index Memory::dimension() const { return state_->patterns.columns(); }
Index Memory::pattern_count() const { return state_->patterns.rows(); }
const Device& Memory::device() const { return state_->device; }

Evaluation Memory::evaluation() const {
  return std::holds_alternative<cpu::DenseField>(state_->field) ? Evaluation::dense : Evaluation::factored;
}

}  // namespace attractor
