#pragma once

/// The rule that a memory is made by: its kinds, their names, and their parameters, each listed once for checks, files
/// and descriptions.

#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include <attractor/memory.hpp>
#include <attractor/parameter.hpp>

namespace attractor::detail {

/// A memory's options, or its similarity; contents are kept apart.
using Rule =
    std::variant<HebbianOptions, ProjectionOptions, StorkeyOptions, BidirectionalOptions, DenseAssociativeOptions,
                 MinervaOptions, ModernHopfieldOptions, ExponentialOptions, AdaptiveSimilarity>;

/// For each kind, of rules and of separations that are a rule's parameter: its `name`; of rules whether readouts weigh
/// patterns, so that contents may take their place (`weighs_patterns`), whether they are averages under weights that
/// sum to 1 (`normalised`) and whether their literature has states of ±1 (`bipolar`); and `visit_parameters(rule,
/// visit)`, which calls visit(parameter, member) for each of its parameters. Separations list theirs themselves.
template <class Kind>
struct RuleTraits : Kind {};

template <>
struct RuleTraits<HebbianOptions> {
  static constexpr std::string_view name = "hebbian";
  static constexpr bool weighs_patterns = true;
  static constexpr bool normalised = false;
  static constexpr bool bipolar = true;
  template <class Options, class Visit>
  static void visit_parameters(Options& rule, const Visit& visit) {
    visit(Parameter{"self_coupling"}, rule.self_coupling);
    visit(Parameter{.name = "centred", .in_all_files = false}, rule.centred);
    visit(Parameter{.name = "rate", .range = positive, .label = "learning rate", .in_all_files = false}, rule.rate);
    constexpr Range share{.least = 0.0, .most = 1.0, .open = true, .words = "in (0, 1]"};
    visit(Parameter{.name = "decay", .range = share, .label = "decay of weights", .in_all_files = false}, rule.decay);
    visit(Parameter{"evaluation"}, rule.evaluation);
    visit(Parameter{"placement"}, rule.placement);
  }
};

template <>
struct RuleTraits<ProjectionOptions> {
  static constexpr std::string_view name = "projection";
  static constexpr bool weighs_patterns = true;
  static constexpr bool normalised = false;
  static constexpr bool bipolar = true;
  template <class Options, class Visit>
  static void visit_parameters(Options& rule, const Visit& visit) {
    visit(Parameter{"self_coupling"}, rule.self_coupling);
    visit(Parameter{"ridge", not_negative}, rule.ridge);
    visit(Parameter{"evaluation"}, rule.evaluation);
    visit(Parameter{"placement"}, rule.placement);
  }
};

template <>
struct RuleTraits<StorkeyOptions> {
  static constexpr std::string_view name = "storkey";
  static constexpr bool weighs_patterns = false;
  static constexpr bool normalised = false;
  static constexpr bool bipolar = true;
  template <class Options, class Visit>
  static void visit_parameters(Options& rule, const Visit& visit) {
    visit(Parameter{"placement"}, rule.placement);
  }
};

template <>
struct RuleTraits<BidirectionalOptions> {
  static constexpr std::string_view name = "bidirectional";
  static constexpr bool weighs_patterns = false;
  static constexpr bool normalised = false;
  static constexpr bool bipolar = true;
  template <class Options, class Visit>
  static void visit_parameters(Options& rule, const Visit& visit) {
    constexpr Range range{.least = 1.0, .words = "at least 1"};
    visit(Parameter{"first", range, "number of neurons of the first layer"}, rule.first);
    visit(Parameter{"placement"}, rule.placement);
  }
};

template <>
struct RuleTraits<DenseAssociativeOptions> {
  static constexpr std::string_view name = "dense_associative";
  static constexpr bool weighs_patterns = true;
  static constexpr bool normalised = false;
  static constexpr bool bipolar = true;
  template <class Options, class Visit>
  static void visit_parameters(Options& rule, const Visit& visit) {
    visit(Parameter{"order", {.least = 2, .most = 30, .words = "in [2, 30]"}}, rule.order);
    visit(Parameter{"rectified"}, rule.rectified);
  }
};

template <>
struct RuleTraits<MinervaOptions> {
  static constexpr std::string_view name = "minerva";
  static constexpr bool weighs_patterns = true;
  static constexpr bool normalised = false;
  static constexpr bool bipolar = true;
  template <class Options, class Visit>
  static void visit_parameters(Options& /*rule*/, const Visit& /*visit*/) {}
};

template <>
struct RuleTraits<ModernHopfieldOptions> {
  static constexpr std::string_view name = "modern_hopfield";
  static constexpr bool weighs_patterns = true;
  static constexpr bool normalised = true;
  static constexpr bool bipolar = false;
  template <class Options, class Visit>
  static void visit_parameters(Options& rule, const Visit& visit) {
    visit(Parameter{"beta", positive, "inverse temperature beta"}, rule.beta);
    visit(Parameter{.name = "similarity", .in_all_files = false}, rule.similarity);
    visit(Parameter{.name = "separation", .in_all_files = false}, rule.separation);
    visit(Parameter{.name = "storage", .in_all_files = false}, rule.storage);
    visit(Parameter{.name = "content_storage", .in_all_files = false}, rule.content_storage);
    visit(Parameter{.name = "precision", .in_all_files = false}, rule.precision);
  }
};

template <>
struct RuleTraits<ExponentialOptions> {
  static constexpr std::string_view name = "exponential";
  static constexpr bool weighs_patterns = true;
  static constexpr bool normalised = true;
  static constexpr bool bipolar = true;
  template <class Options, class Visit>
  static void visit_parameters(Options& rule, const Visit& visit) {
    visit(Parameter{"beta", positive, "inverse temperature beta"}, rule.beta);
    visit(Parameter{.name = "storage", .in_all_files = false}, rule.storage);
    visit(Parameter{.name = "content_storage", .in_all_files = false}, rule.content_storage);
    visit(Parameter{.name = "precision", .in_all_files = false}, rule.precision);
  }
};

/// Weights and priors are arrays, which the similarity's own check looks at and files keep as tensors.
template <>
struct RuleTraits<AdaptiveSimilarity> {
  static constexpr std::string_view name = "adaptive";
  static constexpr bool weighs_patterns = true;
  static constexpr bool normalised = true;
  static constexpr bool bipolar = false;
  template <class Options, class Visit>
  static void visit_parameters(Options& rule, const Visit& visit) {
    visit(Parameter{"beta_squared_distance"}, rule.beta_squared_distance);
    visit(Parameter{"beta_dot"}, rule.beta_dot);
    visit(Parameter{"groups"}, rule.groups);
    visit(Parameter{"precision"}, rule.precision);
  }
};

template <class Kind>
using TraitsOf = RuleTraits<std::remove_cvref_t<Kind>>;

/// b of the scores, where the rule has such: one for each pattern, or none.
inline const std::vector<float>* log_prior_of(const Rule& rule) {
  return std::visit(
      [](const auto& kind) -> const std::vector<float>* {
        if constexpr (requires { kind.log_prior; }) return &kind.log_prior;
        return nullptr;
      },
      rule);
}

/// θ of linear memories; nullptr for others.
inline const std::vector<float>* thresholds_of(const Rule& rule) {
  return std::visit(
      [](const auto& kind) -> const std::vector<float>* {
        if constexpr (requires { kind.thresholds; }) return &kind.thresholds;
        return nullptr;
      },
      rule);
}

/// Whether readouts weigh patterns, so that contents may take their place.
inline bool weighs_patterns(const Rule& rule) {
  return std::visit([](const auto& kind) { return TraitsOf<decltype(kind)>::weighs_patterns; }, rule);
}

/// Whether readouts are averages under weights that sum to 1.
inline bool is_normalised(const Rule& rule) {
  return std::visit([](const auto& kind) { return TraitsOf<decltype(kind)>::normalised; }, rule);
}

/// Whether states are of ±1 unless an update is chosen.
inline bool has_bipolar_states(const Rule& rule) {
  return std::visit([](const auto& kind) { return TraitsOf<decltype(kind)>::bipolar; }, rule);
}

inline Update default_update(const Rule& rule) { return has_bipolar_states(rule) ? sign_update() : readout_update(); }

/// Whether a rule has an inverse temperature β that scores are in proportion to.
inline bool has_temperature(const Rule& rule) {
  return std::visit(
      [](const auto& kind) {
        return requires { kind.beta; };
      },
      rule);
}

/// β of a normalised memory's energy, whose unit is its inverse.
inline float inverse_temperature(const Rule& rule) {
  return std::visit(
      [](const auto& kind) {
        if constexpr (requires { kind.beta; }) return kind.beta;
        return 1.0F;
      },
      rule);
}

/// What patterns are stored as; float32 where the rule has no choice.
inline PatternStorage storage_of(const Rule& rule) {
  return std::visit(
      [](const auto& kind) {
        if constexpr (requires { kind.storage; }) return kind.storage;
        return PatternStorage::float32;
      },
      rule);
}

/// The same of contents.
inline PatternStorage content_storage_of(const Rule& rule) {
  return std::visit(
      [](const auto& kind) {
        if constexpr (requires { kind.content_storage; }) return kind.content_storage;
        return PatternStorage::float32;
      },
      rule);
}

/// "hebbian", "modern_hopfield", …
inline std::string_view name_of(const Rule& rule) {
  return std::visit([](const auto& kind) { return TraitsOf<decltype(kind)>::name; }, rule);
}

/// @throws InvalidArgument a number is outside its range.
void check_parameters(const Rule& rule);

/// For people: "projection(self_coupling = false, ridge = 0.1, …)".
std::string describe(const Rule& rule);

/// The rule of such words. Parameters that aren't named have their defaults.
///
/// @throws InvalidArgument words that mean nothing; the message says which, and which there are. @throws NotSupported
/// an adaptive rule, which is more than words.
Rule read_rule(std::string_view text);

/// Gives a rule its thresholds and log-priors. @throws InvalidArgument it has no use for some.
void set_arrays(Rule& rule, const RuleArrays& arrays);

}  // namespace attractor::detail
