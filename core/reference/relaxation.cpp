#include "core/reference/relaxation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/reference/similarity.hpp"

namespace attractor::reference {
namespace {

#define ATTRACTOR_MATH inline
#include "core/update-inl.hpp"
#undef ATTRACTOR_MATH

/// The operations of core/update-inl.hpp on double.
struct DoubleOps {
  static double set(double value) { return value; }
  static double mul_add(double a, double b, double c) { return a * b + c; }
  static double sub(double a, double b) { return a - b; }
  static double tanh(double value) { return std::tanh(value); }
  static double sign_or(double value, double otherwise) {
    if (value == 0.0) return otherwise;
    return std::isnan(value) ? value : std::copysign(1.0, value);
  }
};

Matrix<double> to_double(MatrixView<const float> values) {
  Matrix<double> result(values.rows, values.columns);
  for (Index i = 0; i < values.rows; ++i) std::copy_n(values.row(i), values.columns, result.row(i));
  return result;
}

double dot(const double* a, const double* b, Index count) { return std::inner_product(a, a + count, b, 0.0); }

/// AᵀB.
Matrix<double> transposed_product(const Matrix<double>& a, const Matrix<double>& b) {
  Matrix<double> result(a.columns(), b.columns());
  std::fill_n(result.data(), result.size(), 0.0);
  for (Index k = 0; k < a.rows(); ++k)
    for (Index i = 0; i < a.columns(); ++i)
      for (Index j = 0; j < b.columns(); ++j) result(i, j) += a(k, i) * b(k, j);
  return result;
}

void clear_diagonal(Matrix<double>& square) {
  for (Index i = 0; i < square.rows(); ++i) square(i, i) = 0.0;
}

/// Solves GX = B in place of B by Gauss–Jordan elimination with row pivoting.
void solve(Matrix<double>& g, Matrix<double>& b) {
  const Index n = g.rows();
  for (Index k = 0; k < n; ++k) {
    Index pivot = k;
    for (Index i = k + 1; i < n; ++i)
      if (std::abs(g(i, k)) > std::abs(g(pivot, k))) pivot = i;
    std::swap_ranges(g.row(k), g.row(k) + n, g.row(pivot));
    std::swap_ranges(b.row(k), b.row(k) + b.columns(), b.row(pivot));
    const double inverse = 1.0 / g(k, k);
    for (Index j = 0; j < n; ++j) g(k, j) *= inverse;
    for (Index j = 0; j < b.columns(); ++j) b(k, j) *= inverse;
    for (Index i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = g(i, k);
      for (Index j = 0; j < n; ++j) g(i, j) -= factor * g(k, j);
      for (Index j = 0; j < b.columns(); ++j) b(i, j) -= factor * b(k, j);
    }
  }
}

/// βAx.
Vector scores(const SoftmaxModel& model, std::span<const double> state) {
  Vector result(static_cast<std::size_t>(model.patterns.rows()));
  for (Index i = 0; i < model.patterns.rows(); ++i)
    result[static_cast<std::size_t>(i)] =
        model.beta * dot(model.patterns.row(i), state.data(), model.patterns.columns());
  return result;
}

Vector scores(const AdaptiveModel& model, std::span<const double> state) {
  return adaptive_scores(model.similarity, model.patterns, state);
}

/// softmax(scores)ᵀ·rows.
template <class RowMatrix>
Vector soft_average(const Vector& values, const RowMatrix& rows, Index row_count, Index columns) {
  const double normaliser = log_sum_exp(values);
  Vector result(static_cast<std::size_t>(columns), 0.0);
  for (Index i = 0; i < row_count; ++i) {
    const double weight = std::exp(values[static_cast<std::size_t>(i)] - normaliser);
    for (Index j = 0; j < columns; ++j)
      result[static_cast<std::size_t>(j)] += weight * static_cast<double>(rows.row(i)[j]);
  }
  return result;
}

Vector readout_of(const LinearModel& model, std::span<const double> state) {
  const Index n = model.weights.rows();
  Vector result(state.size());
  for (Index i = 0; i < n; ++i)
    result[static_cast<std::size_t>(i)] = model.scale * dot(model.weights.row(i), state.data(), n);
  return result;
}

template <class Softmax>
Vector readout_of(const Softmax& model, std::span<const double> state) {
  return soft_average(scores(model, state), model.patterns, model.patterns.rows(), model.patterns.columns());
}

double energy_of(const LinearModel& model, std::span<const double> state) {
  const Vector field = readout_of(model, state);
  return -0.5 * dot(state.data(), field.data(), model.weights.rows());
}

double energy_of(const SoftmaxModel& model, std::span<const double> state) {
  const Index d = model.patterns.columns();
  double largest_norm = 0.0;
  for (Index i = 0; i < model.patterns.rows(); ++i)
    largest_norm = std::max(largest_norm, dot(model.patterns.row(i), model.patterns.row(i), d));
  return (std::log(static_cast<double>(model.patterns.rows())) - log_sum_exp(scores(model, state))) / model.beta +
         0.5 * dot(state.data(), state.data(), d) + 0.5 * largest_norm;
}

double energy_of(const AdaptiveModel& model, std::span<const double> state) {
  return -log_sum_exp(scores(model, state));
}

Vector normalised(Vector values) {
  const double normaliser = log_sum_exp(values);
  for (double& value : values) value -= normaliser;
  return values;
}

bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

double squared_distance(std::span<const double> a, std::span<const double> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

}  // namespace

LinearModel hebbian(MatrixView<const float> patterns, bool self_coupling) {
  const Matrix<double> a = to_double(patterns);
  LinearModel model{transposed_product(a, a), 1.0 / static_cast<double>(patterns.columns)};
  if (!self_coupling) clear_diagonal(model.weights);
  return model;
}

LinearModel projection(MatrixView<const float> patterns, double ridge, bool self_coupling) {
  const Matrix<double> a = to_double(patterns);
  const auto d = static_cast<double>(patterns.columns);
  Matrix<double> gram(a.rows(), a.rows());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < a.rows(); ++j) gram(i, j) = dot(a.row(i), a.row(j), a.columns()) / d + (i == j ? ridge : 0.0);
  Matrix<double> dual = to_double(patterns);
  solve(gram, dual);
  LinearModel model{transposed_product(a, dual), 1.0 / d};
  if (!self_coupling) clear_diagonal(model.weights);
  return model;
}

SoftmaxModel modern_hopfield(MatrixView<const float> patterns, double beta) { return {to_double(patterns), beta}; }

AdaptiveModel adaptive(MatrixView<const float> patterns, AdaptiveSimilarity similarity) {
  return {to_double(patterns), std::move(similarity)};
}

Vector log_posteriors(const SoftmaxModel& model, std::span<const double> state) {
  return normalised(scores(model, state));
}
Vector log_posteriors(const AdaptiveModel& model, std::span<const double> state) {
  return normalised(scores(model, state));
}

Vector readout(const Model& model, std::span<const double> state) {
  return std::visit([&](const auto& m) { return readout_of(m, state); }, model);
}

double energy(const Model& model, std::span<const double> state) {
  return std::visit([&](const auto& m) { return energy_of(m, state); }, model);
}

Vector recall(const SoftmaxModel& model, MatrixView<const float> contents, std::span<const double> state) {
  return soft_average(scores(model, state), contents, contents.rows, contents.columns);
}

Vector recall(const AdaptiveModel& model, MatrixView<const float> contents, std::span<const double> state) {
  return soft_average(scores(model, state), contents, contents.rows, contents.columns);
}

Vector apply(const Update& update, std::span<const double> state, std::span<const double> field) {
  Vector next(state.size());
  std::visit(
      [&](const auto& g) {
        for (std::size_t i = 0; i < state.size(); ++i) next[i] = apply_update(g, DoubleOps{}, state[i], field[i]);
      },
      update);
  return next;
}

Outcome relax(const Model& model, const Settings& settings, std::span<const float> query,
              std::span<const std::uint8_t> clamped) {
  Outcome outcome{.state = Vector(query.begin(), query.end())};
  HaltingMonitor monitor;
  bool finite = all_finite(outcome.state);
  bool halted = false;
  while (finite && !halted && outcome.steps < settings.max_steps) {
    const Vector field = readout(model, outcome.state);
    Vector next = apply(settings.update, outcome.state, field);
    for (std::size_t i = 0; i < clamped.size(); ++i)
      if (clamped[i] != 0) next[i] = outcome.state[i];
    const double squared_change = squared_distance(next, outcome.state);
    outcome.state = std::move(next);
    const int t = ++outcome.steps;
    outcome.trace.push_back(energy(model, outcome.state));
    finite = all_finite(outcome.state) && std::isfinite(outcome.trace.back());
    if (settings.halting.watch == Halting::Watch::energy)
      halted = monitor.energy_halts(settings.halting, t, outcome.trace.back());
    if (settings.halting.watch == Halting::Watch::state)
      halted = monitor.state_halts(settings.halting, t, squared_change);
  }
  outcome.energy = energy(model, outcome.state);
  if (!finite) {
    outcome.status = Status::diverged;
  } else {
    outcome.status = halted ? Status::converged : Status::max_steps;
  }
  return outcome;
}

}  // namespace attractor::reference
