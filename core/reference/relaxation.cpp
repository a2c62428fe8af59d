#include "core/reference/relaxation.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "core/double_ops.hpp"
#include "core/end_judge.hpp"
#include "core/reference/normalised.hpp"
#include "core/reference/similarity.hpp"
#include "core/sign_updates.hpp"
#include "core/sweep_order.hpp"

namespace attractor::reference {
namespace {

#define ATTRACTOR_MATH inline
#include "core/separation-inl.hpp"
#include "core/update-inl.hpp"
#undef ATTRACTOR_MATH

using detail::DoubleOps;

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

/// Σ term(ξ_k, x_k).
template <class Term>
double sum_entries(std::span<const double> pattern, std::span<const double> state, const Term& term) {
  return std::transform_reduce(pattern.begin(), pattern.end(), state.begin(), 0.0, std::plus<>(), term);
}

double similarity_of(Similarity similarity, std::span<const double> pattern, std::span<const double> state) {
  switch (similarity) {
    case Similarity::dot: break;
    case Similarity::squared_distance:
      return -0.5 * sum_entries(pattern, state, [](double a, double x) { return (a - x) * (a - x); });
    case Similarity::manhattan: return -sum_entries(pattern, state, [](double a, double x) { return std::abs(a - x); });
    case Similarity::cosine: {
      const double norms = std::sqrt(sum_entries(pattern, pattern, std::multiplies<>())) *
                           std::sqrt(sum_entries(state, state, std::multiplies<>()));
      return norms == 0.0 ? 0.0 : sum_entries(pattern, state, std::multiplies<>()) / norms;
    }
  }
  return sum_entries(pattern, state, std::multiplies<>());
}

Vector scores_of(const SoftmaxModel& model, std::span<const double> state) {
  Vector result(model.log_prior.begin(), model.log_prior.end());
  result.resize(static_cast<std::size_t>(model.patterns.rows()), 0.0);
  for (Index i = 0; i < model.patterns.rows(); ++i)
    result[static_cast<std::size_t>(i)] +=
        model.beta * similarity_of(model.similarity, {model.patterns.row(i), state.size()}, state);
  return result;
}

Vector scores_of(const AdaptiveModel& model, std::span<const double> state) {
  return adaptive_scores(model.similarity, model.patterns, state);
}

Vector weights_of(const SoftmaxModel& model, std::span<const double> state) {
  return weights(model.separation, scores_of(model, state));
}

Vector weights_of(const AdaptiveModel& model, std::span<const double> state) {
  return weights(SoftmaxSeparation{}, scores_of(model, state));
}

/// pᵀ·rows.
template <class RowMatrix>
Vector weighted_sum(const Vector& p, const RowMatrix& rows, Index row_count, Index columns) {
  Vector result(static_cast<std::size_t>(columns), 0.0);
  for (Index i = 0; i < row_count; ++i)
    for (Index j = 0; j < columns; ++j)
      result[static_cast<std::size_t>(j)] += p[static_cast<std::size_t>(i)] * static_cast<double>(rows.row(i)[j]);
  return result;
}

/// About the largest eigenvalue of a symmetric matrix, by the power method.
double largest_eigenvalue(const Matrix<double>& matrix) {
  const Index n = matrix.rows();
  Vector x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.5 + std::sin(static_cast<double>(i + 1));
  double eigenvalue = 0.0;
  for (int round = 0; round < 8; ++round) {
    const double norm = std::sqrt(dot(x.data(), x.data(), n));
    if (norm == 0.0) break;
    for (double& value : x) value /= norm;
    Vector product(x.size());
    for (Index i = 0; i < n; ++i) product[static_cast<std::size_t>(i)] = dot(matrix.row(i), x.data(), n);
    eigenvalue = dot(x.data(), product.data(), n);
    x = std::move(product);
  }
  return eigenvalue;
}

/// `model` has its diagonal.
Vector field_resolution(const LinearModel& model) {
  const Index n = model.weights.rows();
  const double states = std::sqrt(largest_eigenvalue(model.weights) * static_cast<double>(n));
  Vector result(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i)
    result[static_cast<std::size_t>(i)] = 0x1p-20 * model.scale * std::sqrt(model.weights(i, i)) * states;
  return result;
}

/// Of weights that have no factor.
Vector weight_resolution(const LinearModel& model) {
  const Index n = model.weights.rows();
  Vector result;
  for (Index i = 0; i < n; ++i)
    result.push_back(0x1p-20 * model.scale *
                     std::sqrt(dot(model.weights.row(i), model.weights.row(i), n) * static_cast<double>(n)));
  return result;
}

/// The largest |a_μi| of each neuron.
Vector largest_entries(const Matrix<double>& patterns) {
  Vector result(static_cast<std::size_t>(patterns.columns()), 0.0);
  for (Index i = 0; i < patterns.rows(); ++i)
    for (std::size_t k = 0; k < result.size(); ++k) result[k] = std::max(result[k], std::abs(patterns.row(i)[k]));
  return result;
}

Vector times(double factor, Vector values) {
  for (double& value : values) value *= factor;
  return values;
}

/// h = Ax/D.
Vector overlaps(const PointwiseModel& model, std::span<const double> state) {
  Vector result(static_cast<std::size_t>(model.patterns.rows()));
  const Index d = model.patterns.columns();
  for (Index i = 0; i < model.patterns.rows(); ++i)
    result[static_cast<std::size_t>(i)] = dot(model.patterns.row(i), state.data(), d) / static_cast<double>(d);
  return result;
}

double weight(const PointwiseModel& model, double h) {
  return std::visit([&](const auto& separation) { return separate(separation, DoubleOps{}, h); }, model.separation);
}

Vector weights_of(const PointwiseModel& model, std::span<const double> state) {
  Vector result = overlaps(model, state);
  for (double& value : result) value = weight(model, value);
  return result;
}

Vector resolution_of(const LinearModel& model, std::span<const double> /*state*/, double magnitude) {
  return times(magnitude, model.resolution);
}

/// In units of what the weights add up to.
Vector resolution_of(const PointwiseModel& model, std::span<const double> state, double /*magnitude*/) {
  double total = 0.0;
  for (const double h : overlaps(model, state)) total += std::abs(weight(model, h));
  const auto* const polynomial = std::get_if<PolynomialSeparation>(&model.separation);
  const double order = polynomial != nullptr ? polynomial->order : 2.0;
  return times(0x1p-21 * order * total, largest_entries(model.patterns));
}

/// Of softmax memories, whose readouts average patterns.
template <class Softmax>
Vector resolution_of(const Softmax& model, std::span<const double> /*state*/, double /*magnitude*/) {
  return times(0x1p-21, largest_entries(model.patterns));
}

/// Sets what a sign update can't tell from 0 to it.
void clear_rounding(const Vector& least, Vector& field) {
  for (std::size_t i = 0; i < field.size(); ++i)
    if (std::abs(field[i]) <= least[i]) field[i] = 0.0;
}

double largest_magnitude(std::span<const double> values) {
  double largest = 0.0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

Vector readout_of(const LinearModel& model, std::span<const double> state) {
  const Index n = model.weights.rows();
  Vector result(state.size());
  for (Index i = 0; i < n; ++i)
    result[static_cast<std::size_t>(i)] = model.scale * dot(model.weights.row(i), state.data(), n);
  for (std::size_t i = 0; i < model.thresholds.size(); ++i) result[i] -= model.thresholds[i];
  return result;
}

Vector readout_of(const PointwiseModel& model, std::span<const double> state) {
  return weighted_sum(weights_of(model, state), model.patterns, model.patterns.rows(), model.patterns.columns());
}

bool all_zero(const Vector& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return value == 0.0; });
}

/// Where no pattern has a weight, the state itself.
template <class Softmax>
Vector readout_of(const Softmax& model, std::span<const double> state) {
  const Vector p = weights_of(model, state);
  if (all_zero(p)) return {state.begin(), state.end()};
  return weighted_sum(p, model.patterns, model.patterns.rows(), model.patterns.columns());
}

double energy_of(const LinearModel& model, std::span<const double> state) {
  double sum = 0.0;
  for (Index i = 0; i < model.weights.rows(); ++i)
    sum += state[static_cast<std::size_t>(i)] * dot(model.weights.row(i), state.data(), model.weights.rows());
  return -0.5 * model.scale * sum +
         std::inner_product(model.thresholds.begin(), model.thresholds.end(), state.begin(), 0.0);
}

/// F(h).
double potential_of(const PointwiseModel& model, double h) {
  return 0.5 * std::visit([&](const auto& kind) { return twice_potential(kind, DoubleOps{}, h, weight(model, h)); },
                          model.separation);
}

double energy_of(const PointwiseModel& model, std::span<const double> state) {
  double sum = 0.0;
  for (const double h : overlaps(model, state)) sum += potential_of(model, h);
  return -static_cast<double>(model.patterns.columns()) * sum;
}

double energy_of(const SoftmaxModel& model, std::span<const double> state) {
  const double potential_of_state = potential(model.separation, scores_of(model, state));
  if (!model.quadratic || model.similarity != Similarity::dot) return -potential_of_state / model.beta;
  const Index d = model.patterns.columns();
  double largest_norm = 0.0;
  for (Index i = 0; i < model.patterns.rows(); ++i)
    largest_norm = std::max(largest_norm, dot(model.patterns.row(i), model.patterns.row(i), d));
  const Vector zeros(static_cast<std::size_t>(model.patterns.rows()), 0.0);
  return (potential(model.separation, zeros) - potential_of_state) / model.beta +
         0.5 * dot(state.data(), state.data(), d) + 0.5 * largest_norm;
}

double energy_of(const AdaptiveModel& model, std::span<const double> state) {
  return -log_sum_exp(scores_of(model, state));
}

/// Whether float sums of these patterns and bipolar states have no rounding.
bool sums_are_exact(MatrixView<const float> patterns) {
  double largest = 0.0;
  for (Index i = 0; i < patterns.rows; ++i)
    for (Index k = 0; k < patterns.columns; ++k) {
      const auto entry = static_cast<double>(patterns(i, k));
      if (entry != std::round(entry)) return false;
      largest = std::max(largest, std::abs(entry));
    }
  return largest * largest * static_cast<double>(patterns.rows) * static_cast<double>(patterns.columns) < 0x1p24;
}

/// What decides a neuron's sign: what E changes by from x_i = +1 to −1, in units of u; and the least of it that can be
/// told from 0.
struct Decision {
  double field;
  double least;
};

Decision decision(const LinearModel& model, const Vector& state, double magnitude, std::size_t i) {
  const double threshold = model.thresholds.empty() ? 0.0 : model.thresholds[i];
  return {model.scale * dot(model.weights.row(static_cast<Index>(i)), state.data(), model.weights.rows()) - threshold,
          magnitude * model.resolution[i]};
}

Decision decision(const PointwiseModel& model, Vector state, double /*magnitude*/, std::size_t i) {
  state[i] = 1.0;
  const Vector up = overlaps(model, state);
  state[i] = -1.0;
  const Vector down = overlaps(model, state);
  double change = 0.0;
  double size = 0.0;
  for (std::size_t mu = 0; mu < up.size(); ++mu) {
    const double term = potential_of(model, up[mu]) - potential_of(model, down[mu]);
    change += term;
    size += std::abs(term);
  }
  const double half = 0.5 * static_cast<double>(state.size());
  const double rounding = std::visit([](const auto& kind) { return relative_rounding(kind); }, model.separation);
  return {half * change, half * rounding * size};
}

/// Memories with normalised weights have no asynchronous updates.
template <class Softmax>
Decision decision(const Softmax& /*model*/, const Vector& /*state*/, double /*magnitude*/, std::size_t /*i*/) {
  return {std::numeric_limits<double>::quiet_NaN(), 0.0};
}

/// A sweep over all neurons; the fields that decided.
Vector sweep(const Model& model, const AsynchronousSignUpdate& update, double magnitude,
             std::span<const std::uint8_t> clamped, Vector& state) {
  Vector fields(state.size(), 0.0);
  for (const int neuron : detail::sweep_order(update, static_cast<Index>(state.size()))) {
    const auto i = static_cast<std::size_t>(neuron);
    if (!clamped.empty() && clamped[i] != 0) continue;
    const Decision made = std::visit([&](const auto& m) { return decision(m, state, magnitude, i); }, model);
    fields[i] = std::abs(made.field) <= made.least ? 0.0 : made.field;
    state[i] = apply_update(update, DoubleOps{}, state[i], fields[i]);
  }
  return fields;
}

bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

double squared_distance(std::span<const double> a, std::span<const double> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/// A softmax model's copy at another temperature.
Model at_beta(const Model& model, float beta) {
  const auto& from = std::get<SoftmaxModel>(model);
  SoftmaxModel result{.patterns = Matrix<double>(from.patterns.rows(), from.patterns.columns()),
                      .beta = static_cast<double>(beta),
                      .separation = from.separation,
                      .similarity = from.similarity,
                      .log_prior = from.log_prior,
                      .quadratic = from.quadratic};
  std::copy_n(from.patterns.data(), from.patterns.size(), result.patterns.data());
  return result;
}

/// β of the step after so many.
double after(int steps, const std::vector<float>& betas) {
  return static_cast<double>(betas[std::min(static_cast<std::size_t>(steps), betas.size() - 1)]);
}

/// (AAᵀ/D + ridge·I)⁻¹B.
Matrix<double> dual_of(MatrixView<const float> patterns, MatrixView<const float> b, double ridge) {
  const Matrix<double> a = to_double(patterns);
  Matrix<double> gram(a.rows(), a.rows());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < a.rows(); ++j)
      gram(i, j) = dot(a.row(i), a.row(j), a.columns()) / static_cast<double>(a.columns()) + (i == j ? ridge : 0.0);
  Matrix<double> dual = to_double(b);
  solve(gram, dual);
  return dual;
}

}  // namespace

LinearModel hebbian(MatrixView<const float> patterns, bool self_coupling) {
  const Matrix<double> a = to_double(patterns);
  LinearModel model{transposed_product(a, a), 1.0 / static_cast<double>(patterns.columns)};
  model.resolution = field_resolution(model);
  if (sums_are_exact(patterns))
    for (double& value : model.resolution) value = std::min(value, 0.5 * model.scale);
  if (!self_coupling) clear_diagonal(model.weights);
  return model;
}

LinearModel projection(MatrixView<const float> patterns, double ridge, bool self_coupling) {
  const Matrix<double> dual = dual_of(patterns, patterns, ridge);
  LinearModel model{transposed_product(to_double(patterns), dual), 1.0 / static_cast<double>(patterns.columns)};
  model.resolution = field_resolution(model);
  if (!self_coupling) clear_diagonal(model.weights);
  return model;
}

LinearModel fading_hebbian(MatrixView<const float> patterns, double rate, double decay, bool self_coupling) {
  const Index d = patterns.columns;
  const Matrix<double> a = to_double(patterns);
  LinearModel model{Matrix<double>(d, d)};
  std::fill_n(model.weights.data(), model.weights.size(), 0.0);
  for (Index mu = 0; mu < a.rows(); ++mu)
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j)
        model.weights(i, j) = decay * model.weights(i, j) + rate * a(mu, i) * a(mu, j) / static_cast<double>(d);
  model.resolution = field_resolution(model);
  if (!self_coupling) clear_diagonal(model.weights);
  return model;
}

LinearModel bidirectional(MatrixView<const float> pairs, Index first) {
  const Matrix<double> a = to_double(pairs);
  const auto d = static_cast<double>(pairs.columns);
  LinearModel model{transposed_product(a, a), 1.0 / d};
  double largest = 0.0;
  for (Index i = 0; i < pairs.columns; ++i)
    for (Index j = 0; j < pairs.columns; ++j) {
      if ((i < first) == (j < first)) model.weights(i, j) = 0.0;
      const double weight = model.weights(i, j);
      // Sums of weights that are no integers round.
      largest = weight == std::round(weight) ? std::max(largest, std::abs(weight)) : 0x1p24;
    }
  model.resolution = weight_resolution(model);
  if (largest * d < 0x1p24)
    for (double& value : model.resolution) value = std::min(value, 0.5 * model.scale);
  return model;
}

LinearModel with_thresholds(LinearModel model, const std::vector<float>& thresholds) {
  model.thresholds.assign(thresholds.begin(), thresholds.end());
  return model;
}

LinearContents hebbian_contents(MatrixView<const float> patterns, MatrixView<const float> contents, double rate,
                                double decay) {
  const Matrix<double> c = to_double(contents);
  LinearContents result{Matrix<double>(c.columns(), patterns.columns), 1.0 / static_cast<double>(patterns.columns),
                        Vector(static_cast<std::size_t>(c.columns()), 0.0)};
  std::fill_n(result.weights.data(), result.weights.size(), 0.0);
  for (Index mu = 0; mu < c.rows(); ++mu)
    for (Index i = 0; i < c.columns(); ++i) {
      for (Index j = 0; j < patterns.columns; ++j)
        result.weights(i, j) = decay * result.weights(i, j) + rate * c(mu, i) * static_cast<double>(patterns(mu, j));
      double& size = result.sizes[static_cast<std::size_t>(i)];
      size = decay * size + result.scale * rate * c(mu, i) * c(mu, i);
    }
  return result;
}

LinearContents projection_contents(MatrixView<const float> patterns, MatrixView<const float> contents, double ridge) {
  const Matrix<double> c = to_double(contents);
  const Matrix<double> dual = dual_of(patterns, contents, ridge);
  LinearContents result{transposed_product(dual, to_double(patterns)), 1.0 / static_cast<double>(patterns.columns)};
  const Matrix<double> products = transposed_product(c, dual);
  for (Index i = 0; i < c.columns(); ++i) result.sizes.push_back(result.scale * products(i, i));
  return result;
}

LinearModel storkey(MatrixView<const float> patterns) {
  const Index d = patterns.columns;
  LinearModel model{Matrix<double>(d, d)};
  std::fill_n(model.weights.data(), model.weights.size(), 0.0);
  const Matrix<double> a = to_double(patterns);
  for (Index mu = 0; mu < a.rows(); ++mu) {
    Matrix<double> learned(d, d);
    Vector fields;
    for (Index i = 0; i < d; ++i) fields.push_back(dot(model.weights.row(i), a.row(mu), d));
    // Without what j says, and i itself, whose weight is 0.
    const auto local_field = [&](Index i, Index j) {
      return fields[static_cast<std::size_t>(i)] - model.weights(i, j) * a(mu, j);
    };
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j)
        learned(i, j) = i == j ? 0.0
                               : model.weights(i, j) + (a(mu, i) * a(mu, j) - a(mu, i) * local_field(j, i) -
                                                        local_field(i, j) * a(mu, j)) /
                                                           static_cast<double>(d);
    model.weights = std::move(learned);
  }
  model.resolution = weight_resolution(model);
  return model;
}

PointwiseModel dense_associative(MatrixView<const float> patterns, PolynomialSeparation separation) {
  return {to_double(patterns), separation};
}

PointwiseModel minerva(MatrixView<const float> traces) {
  return dense_associative(traces, PolynomialSeparation{.order = 4});
}

SoftmaxModel modern_hopfield(MatrixView<const float> patterns, double beta, NormalisedSeparation separation) {
  return {to_double(patterns), beta, separation};
}

SoftmaxModel exponential(MatrixView<const float> patterns, double beta) {
  return {.patterns = to_double(patterns), .beta = beta, .quadratic = false};
}

AdaptiveModel adaptive(MatrixView<const float> patterns, AdaptiveSimilarity similarity) {
  return {to_double(patterns), std::move(similarity)};
}

Vector scores(const SoftmaxModel& model, std::span<const double> state) { return scores_of(model, state); }

Vector weights(const SoftmaxModel& model, std::span<const double> state) { return weights_of(model, state); }

Vector log_posteriors(const AdaptiveModel& model, std::span<const double> state) {
  Vector result = scores_of(model, state);
  const double normaliser = log_sum_exp(result);
  for (double& value : result) value -= normaliser;
  return result;
}

Vector readout(const Model& model, std::span<const double> state) {
  return std::visit([&](const auto& m) { return readout_of(m, state); }, model);
}

Vector resolution(const Model& model, std::span<const double> state, double magnitude) {
  return std::visit([&](const auto& m) { return resolution_of(m, state, magnitude); }, model);
}

double energy(const Model& model, std::span<const double> state) {
  return std::visit([&](const auto& m) { return energy_of(m, state); }, model);
}

Vector recall(const LinearContents& contents, std::span<const double> state) {
  Vector result;
  for (Index i = 0; i < contents.weights.rows(); ++i)
    result.push_back(contents.scale * dot(contents.weights.row(i), state.data(), contents.weights.columns()));
  return result;
}

Vector recall(const PointwiseModel& model, MatrixView<const float> contents, std::span<const double> state) {
  return weighted_sum(weights_of(model, state), contents, contents.rows, contents.columns);
}

Vector recall(const SoftmaxModel& model, MatrixView<const float> contents, std::span<const double> state) {
  const Vector p = weights_of(model, state);
  Vector readout = weighted_sum(p, contents, contents.rows, contents.columns);
  if (all_zero(p)) std::fill(readout.begin(), readout.end(), std::numeric_limits<double>::quiet_NaN());
  return readout;
}

Vector recall(const AdaptiveModel& model, MatrixView<const float> contents, std::span<const double> state) {
  return weighted_sum(weights_of(model, state), contents, contents.rows, contents.columns);
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
  std::optional<Model> tempered;
  if (!settings.betas.empty()) tempered = at_beta(model, settings.betas.front());
  const Model& current = tempered ? *tempered : model;
  Outcome outcome{.state = Vector(query.begin(), query.end())};
  detail::EndJudge judge;
  const bool signs = std::holds_alternative<SignUpdate>(settings.update);
  const auto* const sweeps = std::get_if<AsynchronousSignUpdate>(&settings.update);
  double magnitude = largest_magnitude(outcome.state);
  if (sweeps != nullptr) magnitude = std::max(magnitude, 1.0);
  const detail::EndRule rule{.halting = settings.halting,
                             .max_steps = settings.max_steps,
                             .wants_energy = true,
                             .watches_cycles = detail::watches_cycles(settings.update, settings.halting),
                             .first_step = std::max(1, static_cast<int>(settings.betas.size()))};
  Vector earlier;
  bool ended = !all_finite(outcome.state);
  outcome.status = ended ? Status::diverged : Status::max_steps;
  while (!ended) {
    Vector next = outcome.state;
    Vector field;
    if (sweeps != nullptr) {
      field = sweep(current, *sweeps, magnitude, clamped, next);
    } else {
      field = readout(current, outcome.state);
      if (signs) clear_rounding(resolution(current, outcome.state, magnitude), field);
      next = apply(settings.update, outcome.state, field);
      for (std::size_t i = 0; i < clamped.size(); ++i)
        if (clamped[i] != 0) next[i] = outcome.state[i];
    }
    const int t = ++outcome.steps;
    const double squared_change = squared_distance(next, outcome.state);
    const bool returned = next == earlier;
    magnitude = std::max(magnitude, 1.0);
    earlier = std::exchange(outcome.state, std::move(next));
    if (tempered) std::get<SoftmaxModel>(*tempered).beta = after(t, settings.betas);
    outcome.trace.push_back(energy(current, outcome.state));
    ended = judge.state_ends(rule, t,
                             {.finite = all_finite(field) && all_finite(outcome.state),
                              .squared_change = squared_change,
                              .returned = returned}) ||
            judge.energy_ends(rule, t, outcome.trace.back());
    outcome.status = judge.status();
  }
  outcome.energy = energy(current, outcome.state);
  return outcome;
}

}  // namespace attractor::reference
