#include "host/src/validation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <attractor/error.hpp>

namespace attractor::detail {
namespace {

void require(bool condition, const std::string& message) {
  if (!condition) throw InvalidArgument(message);
}

std::string shape(Index rows, Index columns) {
  return std::string("[").append(std::to_string(rows)).append(", ").append(std::to_string(columns)).append("]");
}

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", value);
  return text.data();
}

bool is_non_negative(float value) { return std::isfinite(value) && value >= 0.0F; }

/// Shape, data and stride of a matrix that may have no rows.
template <class T>
void check_layout(MatrixView<T> matrix, const std::string& what) {
  require(matrix.rows >= 0 && matrix.columns >= 1,
          what + " have the shape " + shape(matrix.rows, matrix.columns) + "; both sizes must be positive");
  require(matrix.row_stride >= matrix.columns, what + " have a row stride of " + std::to_string(matrix.row_stride) +
                                                   ", below their " + std::to_string(matrix.columns) + " columns");
  constexpr Index limit = std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(double));
  require(matrix.rows <= limit / matrix.row_stride,
          what + " of shape " + shape(matrix.rows, matrix.columns) + " are larger than memory can be");
  require(matrix.data != nullptr || matrix.rows == 0, what + " have null data");
}

struct UpdateCheck {
  void operator()(const TanhUpdate& update) const {
    require(is_non_negative(update.gain),
            "the tanh update's gain is " + number(update.gain) + "; it must be finite and not negative");
  }
  void operator()(const BlendUpdate& update) const {
    require(update.rate > 0.0F && update.rate <= 1.0F,
            "the blend update's rate is " + number(update.rate) + "; it must be in (0, 1]");
  }
  void operator()(const SignUpdate& /*update*/) const {}
  void operator()(const ReadoutUpdate& /*update*/) const {}
};

/// A stretch of memory with a name.
struct Region {
  std::string name;
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

template <class T>
Region region(const std::string& name, MatrixView<T> matrix) {
  if (matrix.data == nullptr || matrix.empty()) return {name};
  const auto begin = reinterpret_cast<std::uintptr_t>(matrix.data);  // NOLINT: addresses are what is compared
  const Index elements = (matrix.rows - 1) * matrix.row_stride + matrix.columns;
  return {name, begin, begin + static_cast<std::uintptr_t>(elements) * sizeof(T)};
}

template <class T>
Region region(const std::string& name, std::span<T> values) {
  return region(name, MatrixView<T>(values.data(), 1, static_cast<Index>(values.size())));
}

void check_apart(const std::vector<Region>& inputs, const std::vector<Region>& outputs) {
  const auto overlap = [](const Region& a, const Region& b) { return a.begin < b.end && b.begin < a.end; };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const Region& input : inputs)
      require(!overlap(outputs[i], input), "the " + outputs[i].name + " overlap the " + input.name);
    for (std::size_t j = 0; j < i; ++j)
      require(!overlap(outputs[i], outputs[j]), "the " + outputs[i].name + " overlap the " + outputs[j].name);
  }
}

/// An optional matrix of results: the right shape, and producible.
void check_result(MatrixView<float> matrix, const std::string& what, Index rows, Index columns, bool produced,
                  const std::string& otherwise) {
  if (matrix.data == nullptr && matrix.empty()) return;
  require(produced, what + " were given, but " + otherwise);
  require(matrix.rows == rows && matrix.columns == columns,
          what + " have the shape " + shape(matrix.rows, matrix.columns) + "; this call gives " + shape(rows, columns));
  check_layout(matrix, what);
}

template <class T>
void check_result(std::span<T> values, const std::string& what, Index count) {
  require(
      values.empty() || static_cast<Index>(values.size()) == count,
      what + " have room for " + std::to_string(values.size()) + " queries; this call has " + std::to_string(count));
}

}  // namespace

void check_pattern_layout(MatrixView<const float> matrix, const std::string& what) {
  require(matrix.rows >= 1 && matrix.columns >= 1,
          what + " have the shape " + shape(matrix.rows, matrix.columns) + "; both sizes must be positive");
  check_layout(matrix, what);
}

void check_finite(MatrixView<const float> matrix, const std::string& what) {
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index j = 0; j < matrix.columns; ++j)
      if (!std::isfinite(matrix(i, j)))
        throw InvalidArgument(what + " must be finite; row " + std::to_string(i) + ", column " + std::to_string(j) +
                              " is " + number(matrix(i, j)));
}

void check_options(const ProjectionOptions& options) {
  require(is_non_negative(options.ridge),
          "the ridge is " + number(options.ridge) + "; it must be finite and not negative");
}

void check_options(const ModernHopfieldOptions& options) {
  require(std::isfinite(options.beta) && options.beta > 0.0F,
          "the inverse temperature beta is " + number(options.beta) + "; it must be finite and positive");
}

void check_options(const RelaxerOptions& options) {
  require(options.max_steps >= 1, "max_steps is " + std::to_string(options.max_steps) + "; it must be at least 1");
  require(options.threads >= 0, "threads is " + std::to_string(options.threads) + "; it must not be negative");
  const Halting& halting = options.halting;
  require(halting.patience >= 1, "patience is " + std::to_string(halting.patience) + "; it must be at least 1");
  require(is_non_negative(halting.absolute),
          "the absolute tolerance is " + number(halting.absolute) + "; it must be finite and not negative");
  require(is_non_negative(halting.relative),
          "the relative tolerance is " + number(halting.relative) + "; it must be finite and not negative");
  if (options.update) std::visit(UpdateCheck{}, *options.update);
}

void check_content_rows(MatrixView<const float> contents, Index pattern_count) {
  require(contents.rows == pattern_count, "contents have " + std::to_string(contents.rows) + " rows for " +
                                              std::to_string(pattern_count) + " patterns");
}

void check_call(MatrixView<const float> queries, const RelaxCall& call, Index dimension) {
  check_layout(queries, "queries");
  require(queries.columns == dimension, "queries have " + std::to_string(queries.columns) +
                                            " columns, the memory's dimension is " + std::to_string(dimension));
  if (call.clamped.data == nullptr && call.clamped.empty()) return;
  check_layout(call.clamped, "clamped neurons");
  require(call.clamped.rows == queries.rows && call.clamped.columns == dimension,
          "clamped neurons have the shape " + shape(call.clamped.rows, call.clamped.columns) + ", the queries " +
              shape(queries.rows, queries.columns));
}

void check_results(const RelaxationView& results, MatrixView<const float> queries, const RelaxCall& call,
                   const RelaxerOptions& options, Index content_columns) {
  const Index count = queries.rows;
  require(results.states.rows == count && results.states.columns == queries.columns,
          "states have the shape " + shape(results.states.rows, results.states.columns) + ", the queries " +
              shape(count, queries.columns));
  check_layout(results.states, "states");
  check_result(results.steps, "steps", count);
  check_result(results.energies, "energies", count);
  check_result(results.status, "status", count);
  require(results.energies.empty() || options.energies, "energies were given, but the options ask for none");
  check_result(results.energy_trace, "energy traces", count, options.max_steps, options.energy_trace,
               "the options ask for none");
  check_result(results.contents, "contents", count, content_columns, content_columns > 0, "the memory has none");
  check_apart({region("queries", queries), region("clamped neurons", call.clamped)},
              {region("states", results.states), region("steps", results.steps), region("energies", results.energies),
               region("status", results.status), region("energy traces", results.energy_trace),
               region("contents", results.contents)});
}

}  // namespace attractor::detail
