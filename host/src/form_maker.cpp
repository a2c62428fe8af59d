#include "host/src/form_maker.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "host/src/cuda_backend.hpp"
#include "host/src/linear_rules.hpp"
#include "host/src/softmax_rules.hpp"
#include "kernels/cpu/pointwise/gram.hpp"

namespace attractor::detail {
namespace {

/// Operations of a factored step are 2·2PD, of a dense one 2D²; kernels take patterns eight at a time.
Evaluation cheaper(Evaluation asked, const PatternStatistics& statistics) {
  if (asked != Evaluation::automatic) return asked;
  const auto dimension = static_cast<Index>(statistics.smallest.size());
  return 2 * ((statistics.count + 7) / 8 * 8) < dimension ? Evaluation::factored : Evaluation::dense;
}

bool is_zero(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return value == 0.0F; });
}

/// Applies a rule.
class FormMaker {
 public:
  FormMaker(const PatternStatistics& statistics, MatrixView<const float> patterns, MatrixView<const float> contents,
            MadeMatrices& made)
      : statistics_(statistics), patterns_(patterns), contents_(contents), made_(made) {}

  Form operator()(const HebbianOptions& rule) const {
    MatrixView<const float> factor = patterns_;
    if (rule.centred) factor = made_.patterns.centred(patterns_);
    MatrixView<const float> contents = contents_;
    std::vector<float> intensity = ones();
    if (rule.decay < 1.0F) {
      factor = made_.patterns.faded(factor, rule.decay);
      if (!contents_.empty()) contents = made_.contents.faded(contents_, rule.decay);
      const std::vector<double> shares = fading(patterns_.rows, rule.decay);
      intensity.assign(shares.begin(), shares.end());
    }
    const float scale = rule.rate / static_cast<float>(patterns_.columns);
    return PointwiseForm{.factor = factor,
                         .cuda_device = made_.patterns.cuda_device(),
                         .contents = contents,
                         .intensity = std::move(intensity),
                         .thresholds = rule.thresholds,
                         .scale = scale,
                         .energy_scale = scale,
                         .self_coupling = rule.self_coupling,
                         .evaluation = cheaper(rule.evaluation, statistics_),
                         .placement = rule.placement};
  }
  Form operator()(const ProjectionOptions& rule) const {
    ProjectionFactors factors = made_.projection->add(made_.stored, patterns_, contents_, rule.ridge);
    return PointwiseForm{.factor = made_.patterns.keep(std::move(factors.factor)),
                         .contents = made_.contents.keep(std::move(factors.contents)),
                         .intensity = std::move(factors.intensity),
                         .thresholds = rule.thresholds,
                         .self_coupling = rule.self_coupling,
                         .evaluation = cheaper(rule.evaluation, statistics_),
                         .placement = rule.placement};
  }
  Form operator()(const StorkeyOptions& rule) const {
    return PointwiseForm{.factor = {},
                         .weights = made_.patterns.keep(made_.storkey->learn(patterns_)),
                         .thresholds = rule.thresholds,
                         .evaluation = Evaluation::dense,
                         .placement = rule.placement};
  }
  Form operator()(const BidirectionalOptions& rule) const {
    const float scale = 1.0F / static_cast<float>(patterns_.columns);
    return PointwiseForm{.factor = patterns_,
                         .thresholds = rule.thresholds,
                         .first_layer = rule.first,
                         .scale = scale,
                         .energy_scale = scale,
                         .evaluation = Evaluation::dense,
                         .placement = rule.placement};
  }
  Form operator()(const DenseAssociativeOptions& rule) const {
    return polynomial({.order = rule.order, .rectified = rule.rectified});
  }
  Form operator()(const MinervaOptions& /*rule*/) const { return polynomial({.order = 4}); }
  Form operator()(const ModernHopfieldOptions& rule) const {
    if (takes_absolute_scores(rule.separation)) return of_distances(rule);
    const bool is_dot = rule.similarity == Similarity::dot;
    const bool quadratic = is_dot || rule.similarity == Similarity::squared_distance;
    std::vector<float> centre = quadratic ? far_means() : std::vector<float>();
    MatrixView<const float> patterns = patterns_;
    const bool as_given = is_zero(centre) || rule.storage != PatternStorage::float32;
    if (!as_given) patterns = made_.patterns.less(patterns_, centre);
    ScoreTerms terms = score_terms(rule, statistics_, takes_norms(rule) ? norms() : std::vector<double>(), centre);
    double potential_offset = terms.common_log_prior;
    double energy_offset = -terms.common_offset / static_cast<double>(rule.beta);
    if (is_dot) {
      potential_offset -= potential_of_zeros(rule.separation, statistics_.count);
      energy_offset += norm_offset(statistics_, centre);
    }
    return SoftmaxForm{.patterns = patterns,
                       .contents = contents_,
                       .storage = rule.storage,
                       .content_storage = rule.content_storage,
                       .precision = rule.precision,
                       .centre = std::move(centre),
                       .resolution = readout_resolution(statistics_),
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
                       .storage = rule.storage,
                       .content_storage = rule.content_storage,
                       .precision = rule.precision,
                       .resolution = readout_resolution(statistics_),
                       .beta = rule.beta,
                       .quadratic = false};
  }
  Form operator()(const AdaptiveSimilarity& similarity) const {
    return AdaptiveForm{.patterns = patterns_,
                        .contents = contents_,
                        .resolution = readout_resolution(statistics_),
                        .similarity = similarity};
  }

 private:
  /// Modern Hopfield memories whose scores are distances as they are.
  [[nodiscard]] Form of_distances(const ModernHopfieldOptions& rule) const {
    return SoftmaxForm{.patterns = patterns_,
                       .contents = contents_,
                       .storage = rule.storage,
                       .content_storage = rule.content_storage,
                       .resolution = readout_resolution(statistics_),
                       .similarity = rule.similarity,
                       .separation = rule.separation,
                       .beta = rule.beta,
                       .scale = distance_scales(rule, patterns_.rows),
                       .log_prior = rule.log_prior,
                       .quadratic = false};
  }

  /// Overlaps h = Ax/D are at most 1 for states of ±1, so that no power of them overflows.
  [[nodiscard]] Form polynomial(const PolynomialSeparation& separation) const {
    const auto dimension = static_cast<float>(patterns_.columns);
    return PointwiseForm{.factor = patterns_,
                         .cuda_device = made_.patterns.cuda_device(),
                         .contents = contents_,
                         .intensity = ones(),
                         .resolution = readout_resolution(statistics_, separation.order),
                         .separation = separation,
                         .score_scale = 1.0F / dimension,
                         .energy_scale = dimension,
                         .self_coupling = true};
  }

  /// The centre of all patterns, which are here where there is one.
  [[nodiscard]] std::vector<float> far_means() const {
    if (!has_centre(statistics_)) return std::vector<float>(statistics_.smallest.size(), 0.0F);
    const std::optional<int> device = made_.patterns.cuda_device();
    return centre_of(statistics_, device ? cuda_column_sums(*device, patterns_) : column_sums(patterns_));
  }

  /// ‖a‖² of each pattern, wherever they are.
  [[nodiscard]] std::vector<double> norms() const {
    const std::optional<int> device = made_.patterns.cuda_device();
    return device ? cuda_squared_norms(*device, patterns_) : squared_norms(patterns_);
  }

  /// Every pattern's weight counts as it is.
  [[nodiscard]] std::vector<float> ones() const {
    std::vector<float> result(static_cast<std::size_t>(patterns_.rows), 1.0F);
    return result;
  }

  const PatternStatistics& statistics_;
  MatrixView<const float> patterns_;
  MatrixView<const float> contents_;
  MadeMatrices& made_;
};

/// See takes_patterns_on_device.
class DeviceCheck {
 public:
  DeviceCheck(const PatternStatistics& statistics, int cuda_device)
      : statistics_(statistics), cuda_device_(cuda_device) {}

  bool operator()(const DenseAssociativeOptions& /*rule*/) const { return true; }
  bool operator()(const MinervaOptions& /*rule*/) const { return true; }
  bool operator()(const ExponentialOptions& /*rule*/) const { return true; }
  bool operator()(const ModernHopfieldOptions& /*rule*/) const { return true; }
  bool operator()(const AdaptiveSimilarity& /*rule*/) const { return true; }
  /// What is for shared memory is laid out on the host, and so are weights added up where that rounds otherwise.
  bool operator()(const HebbianOptions& rule) const {
    const Evaluation evaluation = cheaper(rule.evaluation, statistics_);
    if (evaluation == Evaluation::dense && !cpu::gram_fuses()) return false;
    const bool is_streamed = rule.placement == Placement::streamed || !rule.thresholds.empty();
    return is_streamed || (rule.placement == Placement::automatic &&
                           !cuda_may_be_resident(cuda_device_, evaluation, statistics_.count, columns()));
  }
  template <class Linear>
  bool operator()(const Linear& /*rule*/) const {
    return false;
  }

 private:
  [[nodiscard]] Index columns() const { return static_cast<Index>(statistics_.smallest.size()); }

  const PatternStatistics& statistics_;
  int cuda_device_;
};

/// Whether a rule leaves patterns as they are, see keeps_patterns.
class ChangeCheck {
 public:
  ChangeCheck(const PatternStatistics& before, const PatternStatistics& after) : before_(before), after_(after) {}

  bool operator()(const ModernHopfieldOptions& rule) const {
    if (takes_absolute_scores(rule.separation)) return true;
    const bool centred = has_centre(before_) || has_centre(after_);
    switch (rule.similarity) {
      case Similarity::dot: return !centred;
      case Similarity::squared_distance:
        return !centred && after_.shortest_square == before_.shortest_square;  // offsets are relative to that
      default: return true;
    }
  }
  bool operator()(const ExponentialOptions& /*rule*/) const { return true; }
  bool operator()(const AdaptiveSimilarity& rule) const { return rule.precision == TermPrecision::full; }
  bool operator()(const DenseAssociativeOptions& /*rule*/) const { return true; }
  bool operator()(const MinervaOptions& /*rule*/) const { return true; }
  bool operator()(const HebbianOptions& rule) const {
    return !rule.centred && rule.decay == 1.0F && cheaper(rule.evaluation, before_) == cheaper(rule.evaluation, after_);
  }
  bool operator()(const BidirectionalOptions& /*rule*/) const { return true; }
  bool operator()(const ProjectionOptions& rule) const {
    return cheaper(rule.evaluation, before_) == Evaluation::factored &&
           cheaper(rule.evaluation, after_) == Evaluation::factored;
  }
  /// What a pattern adds depends on those before it.
  bool operator()(const StorkeyOptions& /*rule*/) const { return after_.count >= before_.count; }

 private:
  const PatternStatistics& before_;
  const PatternStatistics& after_;
};

}  // namespace

Form make_form(const Rule& rule, const PatternStatistics& statistics, MatrixView<const float> patterns,
               MatrixView<const float> contents, MadeMatrices& made) {
  return std::visit(FormMaker(statistics, patterns, contents, made), rule);
}

bool takes_patterns_on_device(const Rule& rule, const PatternStatistics& statistics, int cuda_device) {
  return std::visit(DeviceCheck(statistics, cuda_device), rule);
}

bool keeps_patterns(const Rule& rule, const PatternStatistics& before, const PatternStatistics& after) {
  return std::visit(ChangeCheck(before, after), rule);
}

}  // namespace attractor::detail
