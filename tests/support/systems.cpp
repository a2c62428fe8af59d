#include "tests/support/systems.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <ostream>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/reference/normalised.hpp"
#include "tests/support/device.hpp"

namespace attractor::test {
namespace {

using reference::AdaptiveModel;
using reference::LinearContents;
using reference::LinearModel;
using reference::PointwiseModel;
using reference::SoftmaxModel;
using reference::Vector;

constexpr double unit_roundoff = 0.5 * std::numeric_limits<float>::epsilon();

double gamma(Index operations) { return static_cast<double>(operations) * unit_roundoff; }

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

double norm(std::span<const double> values) { return std::sqrt(dot(values, values)); }

Vector diagonal(const LinearModel& model) {
  Vector result(static_cast<std::size_t>(model.weights.rows()));
  for (Index i = 0; i < model.weights.rows(); ++i)
    result[static_cast<std::size_t>(i)] = model.scale * model.weights(i, i);
  return result;
}

/// ‖F_j‖ |x_j| summed over the neurons, in units of √W_jj.
double spread(const Vector& self_coupling, std::span<const double> state) {
  double sum = 0.0;
  for (std::size_t i = 0; i < state.size(); ++i) sum += std::sqrt(self_coupling[i]) * std::abs(state[i]);
  return sum;
}

/// `self_coupling`: the diagonal of W before it is cleared.
ContentSystem content_system(const Memory& memory, LinearContents model, const Vector& self_coupling) {
  const auto shared = std::make_shared<LinearContents>(std::move(model));
  const Index operations = memory.dimension() + memory.pattern_count() + 8;
  const auto recall = [=](std::span<const double> state) -> Bounded {
    Bounded result{.values = reference::recall(*shared, state)};
    for (const double size : shared->sizes)
      result.bounds.push_back(gamma(operations) * std::sqrt(size) * spread(self_coupling, state));
    return result;
  };
  return {memory, recall};
}

Vector content_bound(const PointwiseModel& model, const System& system, const Matrix<float>& contents,
                     std::span<const double> state);
template <class Softmax>
Vector content_bound(const Softmax& model, const System& system, const Matrix<float>& contents,
                     std::span<const double> state);

/// Of a model whose weights are the same whatever they read out.
template <class Model>
ContentSystem content_system(const Memory& memory, System system, MatrixView<const float> contents) {
  const auto shared = std::make_shared<System>(std::move(system));
  const auto own = std::make_shared<Matrix<float>>(contents.rows, contents.columns);
  for (Index i = 0; i < contents.rows; ++i) std::copy_n(contents.row(i), contents.columns, own->row(i));
  const auto recall = [=](std::span<const double> state) -> Bounded {
    const Model& model = std::get<Model>(shared->model);
    return {reference::recall(model, *own, state), content_bound(model, *shared, *own, state)};
  };
  return {memory, recall};
}

MatrixView<const float> either(MatrixView<const float> contents, MatrixView<const float> patterns) {
  return contents.empty() ? patterns : contents;
}

SystemKind hebbian_kind(const std::string& name, const HebbianOptions& options) {
  const auto memory = [=](MatrixView<const float> patterns) {
    return Memory::hebbian(test_device(), patterns, options);
  };
  const auto system = [=](MatrixView<const float> patterns) -> System {
    return {memory(patterns), reference::hebbian(patterns, options.self_coupling),
            diagonal(reference::hebbian(patterns, true))};
  };
  const auto contents = [=](MatrixView<const float> patterns, MatrixView<const float> given) {
    HebbianOptions own = options;
    own.contents = given;
    return content_system(Memory::hebbian(test_device(), patterns, own),
                          reference::hebbian_contents(patterns, either(given, patterns)),
                          diagonal(reference::hebbian(patterns, true)));
  };
  return {.name = "hebbian_" + name, .memory = memory, .system = system, .contents = contents};
}

SystemKind projection_kind(const std::string& name, const ProjectionOptions& options) {
  const auto memory = [=](MatrixView<const float> patterns) {
    return Memory::projection(test_device(), patterns, options);
  };
  const auto system = [=](MatrixView<const float> patterns) -> System {
    const auto ridge = static_cast<double>(options.ridge);
    return {memory(patterns), reference::projection(patterns, ridge, options.self_coupling),
            diagonal(reference::projection(patterns, ridge, true))};
  };
  const auto contents = [=](MatrixView<const float> patterns, MatrixView<const float> given) {
    const auto ridge = static_cast<double>(options.ridge);
    ProjectionOptions own = options;
    own.contents = given;
    return content_system(Memory::projection(test_device(), patterns, own),
                          reference::projection_contents(patterns, either(given, patterns), ridge),
                          diagonal(reference::projection(patterns, ridge, true)));
  };
  return {.name = "projection_" + name,
          .independent_patterns = options.ridge == 0.0F,
          .memory = memory,
          .system = system,
          .contents = contents};
}

/// Some of either sign, none of which a field of ±1 meets exactly.
std::vector<float> some_thresholds(Index dimension) {
  std::vector<float> thresholds;
  for (Index i = 0; i < dimension; ++i) thresholds.push_back(0.03F * static_cast<float>((i * 7) % 11 - 5));
  return thresholds;
}

/// With thresholds, a learning rate and decay.
SystemKind fading_kind(const std::string& name, HebbianOptions options) {
  options.rate = 0.8F;
  options.decay = 0.9F;
  const auto memory = [=](MatrixView<const float> patterns) {
    HebbianOptions all = options;
    all.thresholds = some_thresholds(patterns.columns);
    return Memory::hebbian(test_device(), patterns, all);
  };
  const auto system = [=](MatrixView<const float> patterns) -> System {
    const auto rate = static_cast<double>(options.rate);
    const auto decay = static_cast<double>(options.decay);
    return {memory(patterns),
            reference::with_thresholds(reference::fading_hebbian(patterns, rate, decay, options.self_coupling),
                                       some_thresholds(patterns.columns)),
            diagonal(reference::fading_hebbian(patterns, rate, decay, true))};
  };
  const auto contents = [=](MatrixView<const float> patterns, MatrixView<const float> given) {
    const auto rate = static_cast<double>(options.rate);
    const auto decay = static_cast<double>(options.decay);
    HebbianOptions all = options;
    all.thresholds = some_thresholds(patterns.columns);
    all.contents = given;
    return content_system(Memory::hebbian(test_device(), patterns, all),
                          reference::hebbian_contents(patterns, either(given, patterns), rate, decay),
                          diagonal(reference::fading_hebbian(patterns, rate, decay, true)));
  };
  return {.name = "hebbian_fading_thresholds_" + name, .memory = memory, .system = system, .contents = contents};
}

/// The largest weight of each row: none is larger than the roots of those of its row and of its column, as those of a
/// factor are than the roots of their diagonal.
Vector largest_weights(const LinearModel& model) {
  Vector largest(static_cast<std::size_t>(model.weights.rows()), 0.0);
  for (Index i = 0; i < model.weights.rows(); ++i)
    for (Index j = 0; j < model.weights.columns(); ++j)
      largest[static_cast<std::size_t>(i)] =
          std::max(largest[static_cast<std::size_t>(i)], model.scale * std::abs(model.weights(i, j)));
  return largest;
}

/// A third of the neurons in the first layer.
SystemKind bidirectional_kind(const std::string& name, Placement placement) {
  const auto first = [](MatrixView<const float> pairs) { return (pairs.columns + 2) / 3; };
  const auto memory = [=](MatrixView<const float> pairs) {
    return Memory::bidirectional(test_device(), pairs, {.first = first(pairs), .placement = placement});
  };
  const auto system = [=](MatrixView<const float> pairs) -> System {
    LinearModel model = reference::bidirectional(pairs, first(pairs));
    Vector largest = largest_weights(model);
    return {memory(pairs), std::move(model), std::move(largest)};
  };
  return {.name = name, .least_dimension = 2, .memory = memory, .system = system};
}

SystemKind storkey_kind(const std::string& name, Placement placement) {
  const auto memory = [=](MatrixView<const float> patterns) {
    return Memory::storkey(test_device(), patterns, {.placement = placement});
  };
  const auto system = [=](MatrixView<const float> patterns) -> System {
    LinearModel model = reference::storkey(patterns);
    Vector largest = largest_weights(model);
    return {memory(patterns), std::move(model), std::move(largest)};
  };
  return {.name = name, .memory = memory, .system = system};
}

SystemKind dense_associative_kind(const std::string& name, const DenseAssociativeOptions& options) {
  const auto memory = [=](MatrixView<const float> patterns) {
    return Memory::dense_associative(test_device(), patterns, options);
  };
  const auto system = [=](MatrixView<const float> patterns) -> System {
    return {memory(patterns), reference::dense_associative(patterns, {options.order, options.rectified})};
  };
  const auto contents = [=](MatrixView<const float> patterns, MatrixView<const float> given) {
    DenseAssociativeOptions own = options;
    own.contents = given;
    return content_system<PointwiseModel>(Memory::dense_associative(test_device(), patterns, own), system(patterns),
                                          either(given, patterns));
  };
  return {.name = "dense_associative_" + name,
          .bounded_updates = true,
          .memory = memory,
          .system = system,
          .contents = contents};
}

SystemKind minerva_kind() {
  const auto memory = [](MatrixView<const float> traces) { return Memory::minerva(test_device(), traces); };
  const auto system = [=](MatrixView<const float> traces) -> System {
    return {memory(traces), reference::minerva(traces)};
  };
  const auto contents = [=](MatrixView<const float> traces, MatrixView<const float> given) {
    return content_system<PointwiseModel>(Memory::minerva(test_device(), traces, {.contents = given}), system(traces),
                                          either(given, traces));
  };
  return {.name = "minerva", .bounded_updates = true, .memory = memory, .system = system, .contents = contents};
}

SystemKind modern_hopfield_kind(const std::string& name, const ModernHopfieldOptions& options) {
  const auto memory = [=](MatrixView<const float> patterns) {
    return Memory::modern_hopfield(test_device(), patterns, options);
  };
  const auto system = [=](MatrixView<const float> patterns) -> System {
    SoftmaxModel model = reference::modern_hopfield(patterns, static_cast<double>(options.beta), options.separation);
    model.similarity = options.similarity;
    return {memory(patterns), std::move(model)};
  };
  const auto contents = [=](MatrixView<const float> patterns, MatrixView<const float> given) {
    ModernHopfieldOptions own = options;
    own.contents = given;
    return content_system<SoftmaxModel>(Memory::modern_hopfield(test_device(), patterns, own), system(patterns),
                                        either(given, patterns));
  };
  return {.name = "modern_hopfield_" + name,
          .memory = memory,
          .system = system,
          .contents = contents,
          .weights_sum_to_one = true};
}

/// Balls whose size follows the dimension: `reach` is β D.
SystemKind epanechnikov_kind(const std::string& name, float reach, Similarity similarity) {
  const auto options = [=](MatrixView<const float> patterns) -> ModernHopfieldOptions {
    return {
        .beta = reach / static_cast<float>(patterns.columns), .similarity = similarity, .separation = epanechnikov()};
  };
  const auto kind = [=](MatrixView<const float> patterns) { return modern_hopfield_kind(name, options(patterns)); };
  SystemKind result = modern_hopfield_kind(name, {});
  result.memory = [=](MatrixView<const float> patterns) { return kind(patterns).memory(patterns); };
  result.system = [=](MatrixView<const float> patterns) { return kind(patterns).system(patterns); };
  result.contents = [=](MatrixView<const float> patterns, MatrixView<const float> contents) {
    return kind(patterns).contents(patterns, contents);
  };
  return result;
}

SystemKind exponential_kind(const std::string& name, float beta) {
  const auto memory = [=](MatrixView<const float> patterns) {
    return Memory::exponential(test_device(), patterns, {.beta = beta});
  };
  const auto system = [=](MatrixView<const float> patterns) -> System {
    return {memory(patterns), reference::exponential(patterns, static_cast<double>(beta))};
  };
  const auto contents = [=](MatrixView<const float> patterns, MatrixView<const float> given) {
    return content_system<SoftmaxModel>(Memory::exponential(test_device(), patterns, {.beta = beta, .contents = given}),
                                        system(patterns), either(given, patterns));
  };
  return {.name = "exponential" + name,
          .memory = memory,
          .system = system,
          .contents = contents,
          .weights_sum_to_one = true};
}

/// Squared distances alone; both bases with falling and rising weights; and ranks within groups.
AdaptiveSimilarity plain_similarity(Index dimension) {
  return {.squared_distance = std::vector<float>(static_cast<std::size_t>(dimension), 0.5F)};
}

AdaptiveSimilarity ranked_similarity(Index dimension, Index groups, TermPrecision precision = TermPrecision::full) {
  const auto ranks = static_cast<std::size_t>(rank_count(dimension, groups));
  AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(ranks),
                                .dot = std::vector<float>(ranks),
                                .beta_squared_distance = 0.7F,
                                .beta_dot = 0.3F,
                                .groups = groups,
                                .precision = precision};
  for (std::size_t r = 0; r < ranks; ++r) {
    const float rank = static_cast<float>(r) / static_cast<float>(ranks);
    similarity.squared_distance[r] = 1.5F - rank;
    similarity.dot[r] = rank - 0.25F;
  }
  return similarity;
}

template <class MakeSimilarity>
SystemKind adaptive_kind(const std::string& name, const MakeSimilarity& similarity) {
  const auto memory = [=](MatrixView<const float> patterns) {
    return Memory::adaptive(test_device(), patterns, similarity(patterns.columns));
  };
  const auto system = [=](MatrixView<const float> patterns) -> System {
    return {memory(patterns), reference::adaptive(patterns, similarity(patterns.columns))};
  };
  const auto contents = [=](MatrixView<const float> patterns, MatrixView<const float> given) {
    return content_system<AdaptiveModel>(
        Memory::adaptive(test_device(), patterns, similarity(patterns.columns), {.contents = given}), system(patterns),
        either(given, patterns));
  };
  return {
      .name = "adaptive_" + name, .memory = memory, .system = system, .contents = contents, .weights_sum_to_one = true};
}

double largest_entry(const Matrix<double>& patterns) {
  double largest = 0.0;
  for (Index i = 0; i < patterns.size(); ++i) largest = std::max(largest, std::abs(patterns.data()[i]));
  return largest;
}

RoundingBound bound_of(const LinearModel& model, const System& system, std::span<const double> state) {
  const Index operations = system.memory.dimension() + system.memory.pattern_count() + 8;
  const double s = spread(system.self_coupling, state);
  RoundingBound bound{.field = Vector(state.size()), .energy = gamma(operations) * s * s};
  for (std::size_t i = 0; i < state.size(); ++i)
    bound.field[i] = gamma(operations) * std::sqrt(system.self_coupling[i]) * s;
  for (std::size_t i = 0; i < model.thresholds.size(); ++i) {
    bound.field[i] += gamma(2) * std::abs(model.thresholds[i]);
    bound.energy += gamma(operations) * std::abs(model.thresholds[i] * state[i]);
  }
  return bound;
}

/// The error of a pattern's power h^exponent, and of adding it up among those of all patterns.
double power_error(const PointwiseModel& model, Index mu, std::span<const double> state, double exponent) {
  const auto d = static_cast<double>(state.size());
  const double n = std::get<PolynomialSeparation>(model.separation).order;
  const std::span<const double> pattern(model.patterns.row(mu), state.size());
  const double h = std::abs(dot(pattern, state)) / d;
  const double reached = h + gamma(std::ssize(state) + 4) * norm(pattern) * norm(state) / d;
  const double power = std::pow(reached, exponent);
  const double sums = gamma(static_cast<Index>(2.0 * n) + 4) + gamma(model.patterns.rows() + 4);
  return power - std::pow(h, exponent) + sums * power;
}

RoundingBound bound_of(const PointwiseModel& model, const System& /*system*/, std::span<const double> state) {
  const double n = std::get<PolynomialSeparation>(model.separation).order;
  RoundingBound bound{.field = Vector(state.size(), 0.0)};
  for (Index mu = 0; mu < model.patterns.rows(); ++mu) {
    const double error = power_error(model, mu, state, n - 1.0);
    for (std::size_t i = 0; i < state.size(); ++i) bound.field[i] += error * std::abs(model.patterns.row(mu)[i]);
    bound.energy += static_cast<double>(state.size()) * power_error(model, mu, state, n) / n;
  }
  return bound;
}

/// How far apart in all the weights of scores may be that differ by at most `error`, and by how much the weights of the
/// largest score, relatively.
struct WeightError {
  double total;
  double relative;
};

/// By how much the potential may differ: of most separations it is an average of scores.
template <class Separation>
double potential_error(const Separation& /*separation*/, const Vector& /*scores*/, double error) {
  return error;
}

WeightError weight_error(const SoftmaxSeparation& /*separation*/, const Vector& scores, double error) {
  const double relative = std::expm1(2.0 * error) + gamma(2 * std::ssize(scores) + 16);
  return {relative, relative};
}

WeightError weight_error(const EntmaxSeparation& separation, const Vector& scores, double error) {
  const auto alpha = static_cast<double>(separation.alpha);
  const double excess_error = error + gamma(16) / (alpha - 1.0);
  // Those that have a weight, or might have one.
  const Vector p = reference::weights(separation, scores);
  const auto best = static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  const double threshold = scores[best] - std::pow(p[best], alpha - 1.0) / (alpha - 1.0);
  const auto count = static_cast<double>(std::count_if(
      scores.begin(), scores.end(), [&](double score) { return score > threshold - 4.0 * excess_error; }));
  const double total = 2.0 * std::pow(count, alpha - 1.0) * excess_error + gamma(2 * std::ssize(scores) + 16);
  return {total, total / p[best]};
}

/// Errors of scores move the threshold by no more than they are, so excesses by twice as much; y^r, r = 1/(γ−1) ≥ 1, by
/// r times that at most, as y ≤ 1, and so does each of them the sum, which is 1 at least.
WeightError weight_error(const NormmaxSeparation& separation, const Vector& scores, double error) {
  const double r = 1.0 / (static_cast<double>(separation.gamma) - 1.0);
  const double excess_error = error + gamma(16);
  const Vector p = reference::weights(separation, scores);
  // No threshold is lower.
  const double least = *std::max_element(scores.begin(), scores.end()) - 1.0 - 2.0 * excess_error;
  const auto count =
      static_cast<double>(std::count_if(scores.begin(), scores.end(), [&](double score) { return score > least; }));
  const double total = 4.0 * r * count * excess_error + gamma(2 * std::ssize(scores) + 16);
  return {total, total / *std::max_element(p.begin(), p.end())};
}

/// Where another pattern may take the place of the last of the top ones, all of its weight may move.
WeightError weight_error(const TopSeparation& separation, const Vector& scores, double error) {
  Vector sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const auto count = static_cast<std::size_t>(separation.count);
  // Scores that are equal come from patterns and states of ±1, whose sums are exact.
  const double gap = count < sorted.size() ? sorted[count - 1] - sorted[count] : 0.0;
  if (gap > 0.0 && gap <= 2.0 * error) return {2.0, 2.0};
  return weight_error(SoftmaxSeparation{}, scores, error);
}

WeightError weight_error(const EpanechnikovSeparation& /*separation*/, const Vector& scores, double error) {
  const bool open = std::any_of(scores.begin(), scores.end(),
                                [&](double score) { return std::abs(1.0 + score) <= error + gamma(4); });
  const double rounding = open ? std::numeric_limits<double>::infinity() : gamma(2 * std::ssize(scores) + 16);
  return {rounding, rounding};
}

double potential_error(const EpanechnikovSeparation& separation, const Vector& scores, double error) {
  const double of_one = error + gamma(4);
  double least = separation.epsilon;
  double most = separation.epsilon;
  for (const double score : scores) {
    least += std::max(1.0 + score - of_one, 0.0);
    most += std::max(1.0 + score + of_one, 0.0);
  }
  return std::log(most / least);
}

/// How large the terms of scores are, and how far float arithmetic may take those, before β.
struct ScoreSize {
  double largest;
  double error;
};

/// −½‖a − x‖² from differences, not from products.
ScoreSize size_of_squares(const Matrix<double>& patterns, std::span<const double> state) {
  double largest = 0.0;
  for (Index k = 0; k < patterns.rows(); ++k) {
    double sum = 0.0;
    for (std::size_t i = 0; i < state.size(); ++i) sum += std::pow(patterns.row(k)[i] - state[i], 2.0);
    largest = std::max(largest, 0.5 * sum);
  }
  return {largest, gamma(patterns.columns() + 8) * largest};
}

ScoreSize score_size(const SoftmaxModel& model, std::span<const double> state) {
  const Matrix<double>& patterns = model.patterns;
  const Similarity similarity = model.similarity;
  const Index d = patterns.columns();
  if (similarity == Similarity::cosine) return {1.0, gamma(d + 8)};
  if (similarity == Similarity::squared_distance && std::holds_alternative<EpanechnikovSeparation>(model.separation))
    return size_of_squares(patterns, state);
  const auto size = [&](std::span<const double> values) {
    if (similarity != Similarity::manhattan) return norm(values);
    double sum = 0.0;
    for (const double value : values) sum += std::abs(value);
    return sum;
  };
  double of_patterns = 0.0;
  for (Index k = 0; k < patterns.rows(); ++k)
    of_patterns = std::max(of_patterns, size({patterns.row(k), state.size()}));
  double largest = of_patterns * size(state);
  if (similarity == Similarity::squared_distance) largest += of_patterns * of_patterns;
  if (similarity == Similarity::manhattan) largest = of_patterns + size(state);
  return {largest, gamma(d + 8) * largest};
}

RoundingBound bound_of(const SoftmaxModel& model, const System& /*system*/, std::span<const double> state) {
  const Index d = model.patterns.columns();
  const Index p = model.patterns.rows();
  double largest_norm = 0.0;
  for (Index k = 0; k < p; ++k) largest_norm = std::max(largest_norm, norm({model.patterns.row(k), state.size()}));
  const Vector scores = reference::scores(model, state);
  const ScoreSize size = score_size(model, state);
  const double score_error = model.beta * size.error;
  const double log_p = std::log(static_cast<double>(p));
  const double terms =
      0.5 * dot(state, state) + 0.5 * largest_norm * largest_norm + size.largest + 2.0 * log_p / model.beta;
  const WeightError weights =
      std::visit([&](const auto& kind) { return weight_error(kind, scores, score_error); }, model.separation);
  RoundingBound bound;
  bound.weights = weights.relative;
  bound.field = Vector(state.size(), weights.total * largest_entry(model.patterns));
  const double potential =
      std::visit([&](const auto& kind) { return potential_error(kind, scores, score_error); }, model.separation);
  bound.energy = (potential + gamma(2 * p + 16)) / model.beta + gamma(d + p + 16) * terms;
  return bound;
}

/// What scores from rounded terms are off by, beyond float arithmetic: core/attractor/similarity.hpp.
double term_rounding(const AdaptiveModel& model, double distance_weight, double dot_weight,
                     std::span<const double> state) {
  if (model.similarity.precision == TermPrecision::full) return 0.0;
  const bool byte = model.similarity.precision == TermPrecision::bits8;
  double distance_reach = 0.0;  // Of an entry from the middle of its range.
  double farthest = 0.0;
  double product = 0.0;
  for (Index k = 0; k < model.patterns.columns(); ++k) {
    double lowest = model.patterns(0, k);
    double highest = lowest;
    for (Index i = 1; i < model.patterns.rows(); ++i) {
      lowest = std::min(lowest, model.patterns(i, k));
      highest = std::max(highest, model.patterns(i, k));
    }
    const double x = state[static_cast<std::size_t>(k)];
    distance_reach = std::max(distance_reach, 0.5 * (highest - lowest));
    farthest = std::max(farthest, std::abs(x - 0.5 * (lowest + highest)));
    product = std::max(product, std::abs(x));
  }
  const double difference = farthest + distance_reach;
  product *= largest_entry(model.patterns);
  const double squared = difference * difference;
  const double term =
      distance_weight * squared / (byte ? 460.0 : 4000.0) + dot_weight * product / (byte ? 250.0 : 16000.0);
  const double weight = (distance_weight * squared + dot_weight * product) / 16000.0;
  return static_cast<double>(state.size()) * (term + weight);
}

RoundingBound bound_of(const AdaptiveModel& model, const System& /*system*/, std::span<const double> state) {
  const AdaptiveSimilarity& similarity = model.similarity;
  const Index p = model.patterns.rows();
  const auto largest_weight = [](const std::vector<float>& weights, float beta) {
    double largest = 0.0;
    for (const float weight : weights) largest = std::max(largest, std::abs(static_cast<double>(beta * weight)));
    return largest;
  };
  const double distance_weight = largest_weight(similarity.squared_distance, similarity.beta_squared_distance);
  const double dot_weight = largest_weight(similarity.dot, similarity.beta_dot);
  double largest_score = 0.0;
  for (Index k = 0; k < p; ++k) {
    double sum = 0.0;
    for (std::size_t i = 0; i < state.size(); ++i) {
      const double entry = model.patterns(k, static_cast<Index>(i));
      sum += distance_weight * (entry - state[i]) * (entry - state[i]) + dot_weight * std::abs(entry * state[i]);
    }
    largest_score = std::max(largest_score, sum);
  }
  const Index operations = rank_count(model.patterns.columns(), similarity.groups) + similarity.groups + 12;
  const double score_error =
      gamma(operations) * largest_score + term_rounding(model, distance_weight, dot_weight, state);
  RoundingBound bound;
  bound.weights = std::expm1(2.0 * score_error) + gamma(2 * p + 16);
  bound.field = Vector(state.size(), bound.weights * largest_entry(model.patterns));
  bound.energy = score_error + gamma(2 * p + 16) + gamma(4) * (largest_score + std::log(static_cast<double>(p)));
  return bound;
}

Vector content_bound(const PointwiseModel& model, const System& /*system*/, const Matrix<float>& contents,
                     std::span<const double> state) {
  const double n = std::get<PolynomialSeparation>(model.separation).order;
  Vector result(static_cast<std::size_t>(contents.columns()), 0.0);
  for (Index mu = 0; mu < contents.rows(); ++mu) {
    const double error = power_error(model, mu, state, n - 1.0);
    for (std::size_t i = 0; i < result.size(); ++i)
      result[i] += error * std::abs(static_cast<double>(contents.row(mu)[i]));
  }
  return result;
}

/// Those of an average of patterns, in units of the largest entry.
template <class Softmax>
Vector content_bound(const Softmax& model, const System& system, const Matrix<float>& contents,
                     std::span<const double> state) {
  const double unit = bound_of(model, system, state).field.front() / largest_entry(model.patterns);
  double largest = 0.0;
  for (Index i = 0; i < contents.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(contents.data()[i])));
  Vector bound(static_cast<std::size_t>(contents.columns()), unit * largest);
  return bound;
}

std::vector<SystemKind> linear_kinds(const std::string& suffix, Placement placement) {
  std::vector<SystemKind> kinds;
  for (const auto& [form, evaluation] :
       {std::pair("factored", Evaluation::factored), std::pair("dense", Evaluation::dense)}) {
    const std::string name = form + suffix;
    kinds.push_back(hebbian_kind(name, {.evaluation = evaluation, .placement = placement}));
    kinds.push_back(hebbian_kind("self_coupling_" + name,
                                 {.self_coupling = true, .evaluation = evaluation, .placement = placement}));
    kinds.push_back(projection_kind(name, {.evaluation = evaluation, .placement = placement}));
  }
  kinds.push_back(
      projection_kind("self_coupling_ridge" + suffix, {.self_coupling = true, .ridge = 0.1F, .placement = placement}));
  return kinds;
}

/// |∂g/∂u| at most.
double slope(const Update& update) {
  if (const auto* tanh = std::get_if<TanhUpdate>(&update)) return static_cast<double>(tanh->gain);
  if (const auto* blend = std::get_if<BlendUpdate>(&update)) return static_cast<double>(blend->rate);
  return 1.0;
}

}  // namespace

const std::vector<SystemKind>& all_systems() {
  static const std::vector<SystemKind> kinds = [] {
    std::vector<SystemKind> all = linear_kinds("", Placement::automatic);
    if (test_device().kind() == Device::Kind::cuda)
      for (SystemKind& kind : linear_kinds("_streamed", Placement::streamed)) all.push_back(std::move(kind));
    all.push_back(fading_kind("factored", {.evaluation = Evaluation::factored}));
    all.push_back(fading_kind("dense", {.self_coupling = true, .evaluation = Evaluation::dense}));
    all.push_back(storkey_kind("storkey", Placement::automatic));
    all.push_back(bidirectional_kind("bidirectional", Placement::automatic));
    if (test_device().kind() == Device::Kind::cuda)
      all.push_back(storkey_kind("storkey_streamed", Placement::streamed));
    all.push_back(modern_hopfield_kind("flat", {.beta = 0.05F}));
    all.push_back(modern_hopfield_kind("soft", {.beta = 1.0F}));
    all.push_back(modern_hopfield_kind("sharp", {.beta = 6.0F}));
    all.push_back(modern_hopfield_kind("sparsemax", {.beta = 1.0F, .separation = sparsemax()}));
    all.push_back(modern_hopfield_kind("entmax", {.beta = 0.3F, .separation = entmax()}));
    all.push_back(modern_hopfield_kind("entmax_near_softmax", {.beta = 1.0F, .separation = entmax(1.2F)}));
    all.push_back(modern_hopfield_kind("normmax", {.beta = 0.5F, .separation = normmax(1.5F)}));
    all.push_back(modern_hopfield_kind("top_3", {.beta = 0.5F, .separation = top(3)}));
    all.push_back(modern_hopfield_kind("squared_distance", {.beta = 0.4F, .similarity = Similarity::squared_distance}));
    all.push_back(modern_hopfield_kind("manhattan", {.beta = 0.03F, .similarity = Similarity::manhattan}));
    all.push_back(modern_hopfield_kind("manhattan_entmax",
                                       {.beta = 0.2F, .similarity = Similarity::manhattan, .separation = entmax()}));
    all.push_back(modern_hopfield_kind("cosine", {.beta = 5.0F, .similarity = Similarity::cosine}));
    all.push_back(epanechnikov_kind("epanechnikov", 3.0F, Similarity::squared_distance));
    all.push_back(epanechnikov_kind("epanechnikov_overlapping", 0.93F, Similarity::squared_distance));
    all.back().plain_means = true;
    all.push_back(epanechnikov_kind("epanechnikov_manhattan", 1.6F, Similarity::manhattan));
    all.push_back(exponential_kind("", 0.7F));
    all.push_back(adaptive_kind("plain", plain_similarity));
    all.push_back(adaptive_kind("ranked", [](Index dimension) { return ranked_similarity(dimension, 1); }));
    all.push_back(adaptive_kind(
        "grouped", [](Index dimension) { return ranked_similarity(dimension, std::min<Index>(dimension, 5)); }));
    all.push_back(dense_associative_kind("2", {.order = 2}));
    all.push_back(dense_associative_kind("3", {.order = 3}));
    all.push_back(dense_associative_kind("rectified_4", {.order = 4, .rectified = true}));
    all.push_back(dense_associative_kind("11", {.order = 11}));
    all.push_back(dense_associative_kind("rectified_21", {.order = 21, .rectified = true}));
    all.push_back(dense_associative_kind("30", {.order = 30}));
    all.push_back(minerva_kind());
    return all;
  }();
  return kinds;
}

std::vector<SystemKind> systems_with_rounding() {
  std::vector<SystemKind> kinds = all_systems();
  if (test_device().kind() == Device::Kind::cuda) {  // Which rounds products and no terms.
    kinds.push_back(modern_hopfield_kind("fast", {.beta = 0.2F, .precision = ProductPrecision::fast}));
    kinds.push_back(modern_hopfield_kind(
        "fast_squared_distance",
        {.beta = 0.4F, .similarity = Similarity::squared_distance, .precision = ProductPrecision::fast}));
    return kinds;
  }
  kinds.push_back(adaptive_kind("bits16", [](Index dimension) {
    return ranked_similarity(dimension, std::min<Index>(dimension, 2), TermPrecision::bits16);
  }));
  kinds.push_back(
      adaptive_kind("bits8", [](Index dimension) { return ranked_similarity(dimension, 1, TermPrecision::bits8); }));
  return kinds;
}

std::vector<SystemKind> content_systems() {
  std::vector<SystemKind> kinds = all_systems();
  std::erase_if(kinds, [](const SystemKind& kind) { return !kind.contents; });
  return kinds;
}

const std::vector<NamedUpdate>& all_updates() {
  static const std::vector<NamedUpdate> updates = {
      {"tanh", tanh_update()},       {"steep_tanh", tanh_update(2.0F)}, {"sign", sign_update()},
      {"readout", readout_update()}, {"blend", blend_update(0.3F)},
  };
  return updates;
}

bool SystemKind::bears(const Update& update) const {
  if (plain_means && std::holds_alternative<SignUpdate>(update)) return false;
  return !bounded_updates || std::holds_alternative<TanhUpdate>(update) || std::holds_alternative<SignUpdate>(update);
}

std::vector<std::tuple<SystemKind, NamedUpdate>> systems_and_updates() {
  std::vector<std::tuple<SystemKind, NamedUpdate>> pairs;
  for (const SystemKind& kind : all_systems())
    for (const NamedUpdate& update : all_updates())
      if (kind.bears(update.update)) pairs.emplace_back(kind, update);
  return pairs;
}

std::ostream& operator<<(std::ostream& out, const SystemKind& kind) { return out << kind.name; }
std::ostream& operator<<(std::ostream& out, const NamedUpdate& update) { return out << update.name; }

RoundingBound rounding_bound(const System& system, std::span<const double> state) {
  RoundingBound bound = std::visit([&](const auto& model) { return bound_of(model, system, state); }, system.model);
  double magnitude = 1.0;
  for (const double x : state) magnitude = std::max(magnitude, std::abs(x));
  bound.zero = reference::resolution(system.model, state, magnitude);
  for (std::size_t i = 0; i < bound.zero.size(); ++i) bound.zero[i] = std::max(bound.zero[i], bound.field[i]);
  return bound;
}

Vector next_state_bound(const Update& update, const RoundingBound& bound, std::span<const double> state,
                        std::span<const double> field) {
  Vector result(state.size(), 0.0);
  if (std::holds_alternative<SignUpdate>(update)) return result;
  const double gain = slope(update);
  for (std::size_t i = 0; i < state.size(); ++i)
    result[i] = gain * bound.field[i] + 8.0 * unit_roundoff * (std::abs(state[i]) + gain * std::abs(field[i]) + 1.0);
  return result;
}

bool sign_is_open(const Update& update, double field, double bound) {
  return std::holds_alternative<SignUpdate>(update) && std::abs(field) <= bound;
}

Vector to_double(std::span<const float> values) { return {values.begin(), values.end()}; }

}  // namespace attractor::test
