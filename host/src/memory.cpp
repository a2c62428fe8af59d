#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <attractor/error.hpp>

#include "host/src/access.hpp"
#include "host/src/cuda_backend.hpp"
#include "host/src/host_memory.hpp"
#include "host/src/linear_rules.hpp"
#include "host/src/memory_state.hpp"
#include "host/src/rule_text.hpp"
#include "host/src/softmax_rules.hpp"
#include "host/src/validation.hpp"

namespace attractor {
namespace detail {
namespace {

Matrix<float> duplicate(MatrixView<const float> matrix) {
  Matrix<float> result(matrix.rows, matrix.columns);
  for (Index i = 0; i < matrix.rows; ++i) std::copy_n(matrix.row(i), matrix.columns, result.row(i));
  return result;
}

/// A copy of what the caller gives, checked: on the host wherever the argument is.
Matrix<float> take(const Device& device, MatrixView<const float> matrix, const std::string& what) {
  check_pattern_layout(matrix, what);
  std::optional<Matrix<float>> fetched = fetch(device, matrix, what);
  if (!fetched) check_on_host(matrix, what);
  Matrix<float> result = fetched ? std::move(*fetched) : duplicate(matrix);
  check_finite(result, what);
  return result;
}

/// A copy of the contents, if there are any.
Matrix<float> take_contents(const Device& device, MatrixView<const float> contents, Index pattern_count) {
  if (contents.data == nullptr && contents.empty()) return {};
  check_content_rows(contents, pattern_count);
  return take(device, contents, "contents");
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

/// Operations of a factored step are 2·2PD, of a dense one 2D²; kernels take patterns eight at a time.
Evaluation cheaper(Evaluation asked, MatrixView<const float> factor) {
  if (asked != Evaluation::automatic) return asked;
  return 2 * ((factor.rows + 7) / 8 * 8) < factor.columns ? Evaluation::factored : Evaluation::dense;
}

/// What a form views, where that isn't what is stored itself.
struct MadeMatrices {
  Matrix<float> patterns;
  Matrix<float> contents;
};

/// Applies a rule.
class FormMaker {
 public:
  FormMaker(MatrixView<const float> patterns, MatrixView<const float> contents, MadeMatrices& made)
      : patterns_(patterns), contents_(contents), made_(made) {}

  Form operator()(const HebbianOptions& rule) const {
    MatrixView<const float> factor = patterns_;
    if (rule.centred) factor = made_.patterns = centred_factor(patterns_);
    MatrixView<const float> contents = contents_;
    std::vector<float> intensity = ones();
    if (rule.decay < 1.0F) {
      factor = made_.patterns = faded_factor(factor, rule.decay);
      contents = made_.contents = faded_factor(contents_, rule.decay);
      const Matrix<float> shares = faded_factor({intensity.data(), patterns_.rows, 1}, rule.decay);
      intensity.assign(shares.data(), shares.data() + shares.size());
    }
    const float scale = rule.rate / static_cast<float>(patterns_.columns);
    return PointwiseForm{.factor = factor,
                         .contents = contents,
                         .intensity = std::move(intensity),
                         .resolution = field_resolution(factor, scale),
                         .thresholds = rule.thresholds,
                         .scale = scale,
                         .energy_scale = scale,
                         .self_coupling = rule.self_coupling,
                         .evaluation = cheaper(rule.evaluation, patterns_),
                         .placement = rule.placement};
  }
  Form operator()(const ProjectionOptions& rule) const {
    ProjectionFactors factors = projection_factors(patterns_, contents_, rule.ridge);
    made_ = {.patterns = std::move(factors.factor), .contents = std::move(factors.contents)};
    return PointwiseForm{.factor = made_.patterns,
                         .contents = made_.contents,
                         .intensity = std::move(factors.intensity),
                         .resolution = field_resolution(made_.patterns, 1.0F),
                         .thresholds = rule.thresholds,
                         .self_coupling = rule.self_coupling,
                         .evaluation = cheaper(rule.evaluation, patterns_),
                         .placement = rule.placement};
  }
  Form operator()(const StorkeyOptions& rule) const { return of_weights(storkey_weights(patterns_), 1.0F, rule); }
  Form operator()(const BidirectionalOptions& rule) const {
    return of_weights(bidirectional_weights(patterns_, rule.first), 1.0F / static_cast<float>(patterns_.columns), rule);
  }
  Form operator()(const DenseAssociativeOptions& rule) const {
    return polynomial({.order = rule.order, .rectified = rule.rectified});
  }
  Form operator()(const MinervaOptions& /*rule*/) const { return polynomial({.order = 4}); }
  Form operator()(const ModernHopfieldOptions& rule) const {
    if (takes_absolute_scores(rule.separation)) return of_distances(rule);
    const bool is_dot = rule.similarity == Similarity::dot;
    const bool quadratic = is_dot || rule.similarity == Similarity::squared_distance;
    std::vector<float> centre = quadratic ? centre_of(patterns_) : std::vector<float>();
    MatrixView<const float> patterns = patterns_;
    if (std::any_of(centre.begin(), centre.end(), [](float value) { return value != 0.0F; }))
      patterns = made_.patterns = less_centre(patterns_, centre);
    ScoreTerms terms = score_terms(rule, patterns_, centre);
    double potential_offset = terms.common_log_prior;
    double energy_offset = -terms.common_offset / static_cast<double>(rule.beta);
    if (is_dot) {
      potential_offset -= potential_of_zeros(rule.separation, patterns_.rows);
      energy_offset += norm_offset(patterns_, centre);
    }
    return SoftmaxForm{.patterns = patterns,
                       .contents = contents_,
                       .centre = std::move(centre),
                       .resolution = readout_resolution(patterns_),
                       .similarity = quadratic ? Similarity::dot : rule.similarity,
                       .separation = rule.separation,
                       .beta = rule.beta,
                       .scale = std::move(terms.scale),
                       .offset = std::move(terms.offset),
                       .log_prior = std::move(terms.log_prior),
                       .quadratic = quadratic,
                       .potential_offset = potential_offset,
                       .energy_offset = energy_offset};
  }
  /// The patterns as they are: their centre would be missing from the scores, which are all of the energy.
  Form operator()(const ExponentialOptions& rule) const {
    return SoftmaxForm{.patterns = patterns_,
                       .contents = contents_,
                       .resolution = readout_resolution(patterns_),
                       .beta = rule.beta,
                       .quadratic = false};
  }
  Form operator()(const AdaptiveSimilarity& similarity) const {
    return AdaptiveForm{.patterns = patterns_,
                        .contents = contents_,
                        .resolution = readout_resolution(patterns_),
                        .similarity = similarity};
  }

 private:
  /// Modern Hopfield memories whose scores are distances as they are.
  [[nodiscard]] Form of_distances(const ModernHopfieldOptions& rule) const {
    return SoftmaxForm{.patterns = patterns_,
                       .contents = contents_,
                       .resolution = readout_resolution(patterns_),
                       .similarity = rule.similarity,
                       .separation = rule.separation,
                       .beta = rule.beta,
                       .scale = distance_scales(rule, patterns_.rows),
                       .log_prior = rule.log_prior,
                       .quadratic = false};
  }

  /// Linear memories that have no factor.
  template <class Rule>
  [[nodiscard]] Form of_weights(Matrix<float> weights, float scale, const Rule& rule) const {
    made_.patterns = std::move(weights);
    return PointwiseForm{.factor = {},
                         .weights = made_.patterns,
                         .resolution = weight_resolution(made_.patterns, scale),
                         .thresholds = rule.thresholds,
                         .scale = scale,
                         .energy_scale = scale,
                         .evaluation = Evaluation::dense,
                         .placement = rule.placement};
  }

  /// Overlaps h = Ax/D are at most 1 for states of ±1, so that no power of them overflows.
  [[nodiscard]] Form polynomial(const PolynomialSeparation& separation) const {
    const auto dimension = static_cast<float>(patterns_.columns);
    return PointwiseForm{.factor = patterns_,
                         .contents = contents_,
                         .intensity = ones(),
                         .resolution = readout_resolution(patterns_, separation.order),
                         .separation = separation,
                         .score_scale = 1.0F / dimension,
                         .energy_scale = dimension,
                         .self_coupling = true};
  }

  /// Every pattern's weight counts as it is.
  [[nodiscard]] std::vector<float> ones() const {
    std::vector<float> result(static_cast<std::size_t>(patterns_.rows), 1.0F);
    return result;
  }

  MatrixView<const float> patterns_;
  MatrixView<const float> contents_;
  MadeMatrices& made_;
};

std::shared_ptr<const MemoryState> make_state(const Device& device, const Rule& rule, Matrix<float> patterns,
                                              Matrix<float> contents) {
  MadeMatrices made;
  const Form form = std::visit(FormMaker(patterns, contents, made), rule);
  const auto* const pointwise = std::get_if<PointwiseForm>(&form);
  return std::make_shared<MemoryState>(MemoryState{
      .device = device,
      .rule = rule,
      .patterns = std::move(patterns),
      .contents = std::move(contents),
      .evaluation = pointwise != nullptr ? pointwise->evaluation : Evaluation::factored,
      .engine = device.kind() == Device::Kind::cuda ? make_cuda_engine(form, device.index()) : make_cpu_engine(form)});
}

/// The rule without what a memory keeps apart from it.
Rule without_contents(Rule rule) {
  std::visit(
      [](auto& kind) {
        if constexpr (requires { kind.contents; }) kind.contents = {};
      },
      rule);
  return rule;
}

/// Whether what a rule has for each pattern or neuron is for so many patterns of this dimension.
void check_arrays(const Rule& rule, Index pattern_count, Index dimension) {
  if (const auto* const similarity = std::get_if<AdaptiveSimilarity>(&rule))
    check_similarity(*similarity, pattern_count, dimension);
  if (const std::vector<float>* const log_prior = log_prior_of(rule)) check_log_prior(*log_prior, pattern_count);
  if (const std::vector<float>* const thresholds = thresholds_of(rule)) check_thresholds(*thresholds, dimension);
  if (const auto* const layers = std::get_if<BidirectionalOptions>(&rule)) check_layers(layers->first, dimension);
}

/// The same on every device: else a memory couldn't go from one to another.
void check_placement(const Rule& rule) {
  const std::vector<float>* const thresholds = thresholds_of(rule);
  if (thresholds == nullptr || thresholds->empty()) return;
  std::visit(
      [](const auto& kind) {
        if constexpr (requires { kind.placement; })
          if (kind.placement == Placement::resident)
            throw NotSupported(
                "a linear memory with thresholds can't be resident; its placement must be automatic or streamed");
      },
      rule);
}

void check_separation(const Rule& rule) {
  const auto* const options = std::get_if<ModernHopfieldOptions>(&rule);
  if (options == nullptr || !takes_absolute_scores(options->separation)) return;
  if (options->similarity != Similarity::squared_distance && options->similarity != Similarity::manhattan)
    throw InvalidArgument(
        "the separation " + to_text(options->separation) +
        " goes by how far patterns are: the similarity must be squared_distance or manhattan; it is " +
        to_text(options->similarity));
}

/// Whether the patterns have rows of weights, or priors, of their own.
bool has_rows(const Rule& rule, Index dimension) {
  const std::vector<float>* const log_prior = log_prior_of(rule);
  if (log_prior != nullptr && !log_prior->empty()) return true;
  const auto* const similarity = std::get_if<AdaptiveSimilarity>(&rule);
  if (similarity == nullptr) return false;
  const auto ranks = static_cast<std::size_t>(rank_count(dimension, similarity->groups));
  return similarity->squared_distance.size() > ranks || similarity->dot.size() > ranks;
}

/// The rows of `values` with these indices; values that are shared by all `row_count` rows stay.
std::vector<float> select(const std::vector<float>& values, Index row_length, Index row_count,
                          const std::vector<Index>& rows) {
  if (row_count == 1 || static_cast<Index>(values.size()) != row_length * row_count) return values;
  std::vector<float> result;
  for (const Index row : rows)
    result.insert(result.end(), values.begin() + row * row_length, values.begin() + (row + 1) * row_length);
  return result;
}

/// A memory's rule once only these of its `count` patterns are left.
Rule select(Rule rule, Index count, Index dimension, const std::vector<Index>& rows) {
  if (auto* const similarity = std::get_if<AdaptiveSimilarity>(&rule)) {
    const Index ranks = rank_count(dimension, similarity->groups);
    similarity->squared_distance = select(similarity->squared_distance, ranks, count, rows);
    similarity->dot = select(similarity->dot, ranks, count, rows);
  }
  std::visit(
      [&](auto& kind) {
        if constexpr (requires { kind.log_prior; }) kind.log_prior = select(kind.log_prior, 1, count, rows);
      },
      rule);
  return rule;
}

/// Marks the patterns to drop.
std::vector<bool> mark(std::span<const Index> indices, Index count) {
  check_on_host(indices, "indices");
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

Memory detail::Access::make(const Device& device, const Rule& rule, MatrixView<const float> patterns,
                            MatrixView<const float> contents) {
  check_parameters(rule);
  check_separation(rule);
  if (!weighs_patterns(rule) && !contents.empty())
    throw InvalidArgument("a " + std::string(name_of(rule)) +
                          " memory has no weights of patterns to read contents out by; " +
                          std::to_string(contents.rows) + " rows of them were given");
  Matrix<float> own = take(device, patterns, "patterns");
  check_arrays(rule, patterns.rows, patterns.columns);
  check_placement(rule);
  return Memory(
      make_state(device, without_contents(rule), std::move(own), take_contents(device, contents, patterns.rows)));
}

Memory Memory::hebbian(const Device& device, MatrixView<const float> patterns, const HebbianOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::projection(const Device& device, MatrixView<const float> patterns, const ProjectionOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::storkey(const Device& device, MatrixView<const float> patterns, const StorkeyOptions& options) {
  return detail::Access::make(device, options, patterns, {});
}

Memory Memory::bidirectional(const Device& device, MatrixView<const float> pairs, const BidirectionalOptions& options) {
  return detail::Access::make(device, options, pairs, {});
}

Memory Memory::dense_associative(const Device& device, MatrixView<const float> patterns,
                                 const DenseAssociativeOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::minerva(const Device& device, MatrixView<const float> traces, const MinervaOptions& options) {
  return detail::Access::make(device, options, traces, options.contents);
}

Memory Memory::modern_hopfield(const Device& device, MatrixView<const float> patterns,
                               const ModernHopfieldOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::exponential(const Device& device, MatrixView<const float> patterns, const ExponentialOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::adaptive(const Device& device, MatrixView<const float> patterns, const AdaptiveSimilarity& similarity,
                        const AdaptiveOptions& options) {
  return detail::Access::make(device, similarity, patterns, options.contents);
}

void Memory::imprint(MatrixView<const float> new_patterns, MatrixView<const float> new_contents) {
  const Matrix<float> own_patterns = detail::take(device(), new_patterns, "patterns");
  if (new_patterns.columns != dimension())
    throw InvalidArgument("patterns have " + std::to_string(new_patterns.columns) +
                          " columns, the memory's dimension is " + std::to_string(dimension()));
  if (detail::has_rows(state_->rule, dimension()))
    throw NotSupported("the memory has weights or priors for each of its " + std::to_string(pattern_count()) +
                       " patterns, and none for new ones; make it anew");
  const bool given = new_contents.data != nullptr || !new_contents.empty();
  if (given == contents().empty())
    throw InvalidArgument(given ? "contents were given, but the memory has none"
                                : "the memory has contents; none were given");
  Matrix<float> own_contents;
  if (given) {
    detail::check_content_rows(new_contents, new_patterns.rows);
    own_contents = detail::take(device(), new_contents, "contents");
    if (new_contents.columns != contents().columns)
      throw InvalidArgument("contents have " + std::to_string(new_contents.columns) + " columns, those of the memory " +
                            std::to_string(contents().columns));
  }
  state_ = detail::make_state(state_->device, state_->rule, detail::stack(patterns(), own_patterns),
                              detail::stack(contents(), own_contents));
}

void Memory::forget(std::span<const Index> indices) {
  const std::vector<bool> forgotten = detail::mark(indices, pattern_count());
  std::vector<Index> kept;
  for (Index i = 0; i < pattern_count(); ++i)
    if (!forgotten[static_cast<std::size_t>(i)]) kept.push_back(i);
  if (kept.empty())
    throw InvalidArgument("all " + std::to_string(pattern_count()) + " patterns would be forgotten; one must remain");
  const detail::Rule rule = detail::select(state_->rule, pattern_count(), dimension(), kept);
  // Of those left, one must have some probability.
  detail::check_arrays(rule, static_cast<Index>(kept.size()), dimension());
  state_ = detail::make_state(state_->device, rule, detail::select(patterns(), kept),
                              contents().empty() ? Matrix<float>() : detail::select(contents(), kept));
}

MatrixView<const float> Memory::patterns() const { return state_->patterns; }
MatrixView<const float> Memory::contents() const { return state_->contents; }
Index Memory::dimension() const { return state_->patterns.columns(); }
Index Memory::pattern_count() const { return state_->patterns.rows(); }
const Device& Memory::device() const { return state_->device; }

const AdaptiveSimilarity* Memory::similarity() const { return std::get_if<AdaptiveSimilarity>(&state_->rule); }

std::string Memory::rule() const { return detail::describe(state_->rule); }

Evaluation Memory::evaluation() const { return state_->evaluation; }

Memory Memory::copy_to(const Device& target) const {
  if (target == device()) return *this;
  return Memory(detail::make_state(target, state_->rule, detail::duplicate(patterns()), detail::duplicate(contents())));
}

}  // namespace attractor
