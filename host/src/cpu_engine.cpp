#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "host/src/engine.hpp"
#include "host/src/linear_rules.hpp"
#include "kernels/cpu/adaptive/adaptive.hpp"
#include "kernels/cpu/engine/recall.hpp"
#include "kernels/cpu/engine/relax.hpp"

namespace attractor::detail {
namespace {

/// A value for each neuron, as kernels read them.
cpu::AlignedFloats for_neurons(const std::vector<float>& values) {
  return {values, cpu::padded(static_cast<Index>(values.size()))};
}

/// Nothing where there are none.
cpu::AlignedFloats thresholds_of(const PointwiseForm& form, float factor = 1.0F) {
  if (form.thresholds.empty()) return {};
  std::vector<float> values(form.thresholds.begin(), form.thresholds.end());
  for (float& value : values) value *= factor;
  return for_neurons(values);
}

cpu::Field make_field(const PointwiseForm& form) {
  if (form.evaluation == Evaluation::dense)
    return cpu::DenseField{.weights = cpu::PackedMatrix(weights(form)),
                           .resolution = for_neurons(form.resolution),
                           .threshold = thresholds_of(form),
                           .scale = form.scale};
  return cpu::FactoredField{.factor = cpu::PackedMatrix(form.factor),
                            .diagonal = for_neurons(removed_diagonal(form.factor, form.self_coupling)),
                            .resolution = for_neurons(form.resolution),
                            .threshold = thresholds_of(form),
                            .linear_weights = thresholds_of(form, 2.0F / form.energy_scale),
                            .separation = form.separation,
                            .score_scale = form.score_scale,
                            .scale = form.scale,
                            .energy_scale = form.energy_scale};
}

/// A value for each pattern, and `last` for the rows that pad the last panel.
cpu::AlignedFloats for_patterns(const std::vector<float>& values, Index count, float otherwise, float last) {
  cpu::AlignedFloats result(cpu::padded(count));
  for (Index i = 0; i < cpu::padded(count); ++i)
    result[i] = i >= count ? last : values.empty() ? otherwise : values[static_cast<std::size_t>(i)];
  return result;
}

cpu::Field make_field(const SoftmaxForm& form) {
  const Index count = form.patterns.rows;
  return cpu::SoftmaxField{
      .patterns = cpu::PackedMatrix(form.patterns),
      .centre = for_neurons(form.centre),
      .resolution = for_neurons(form.resolution),
      .scale = for_patterns(form.scale, count, form.beta, form.beta),
      .offset = for_patterns(form.offset, count, 0.0F, 0.0F),
      .log_prior = for_patterns(form.log_prior, count, 0.0F, -std::numeric_limits<float>::infinity()),
      .similarity = form.similarity,
      .separation = form.separation,
      .beta = form.beta,
      .quadratic = form.quadratic,
      .potential_offset = form.potential_offset,
      .energy_offset = form.energy_offset};
}

cpu::Field make_field(const AdaptiveForm& form) {
  cpu::AdaptiveField field = cpu::make_adaptive(cpu::PackedMatrix(form.patterns), form.similarity);
  field.resolution = for_neurons(form.resolution);
  return field;
}

cpu::Readout make_readout(const PointwiseForm& form) {
  if (form.evaluation == Evaluation::factored)
    return {.contents = cpu::PackedMatrix(form.contents), .intensity = for_neurons(form.intensity)};
  const DenseReadout dense = dense_readout(form);
  return {.contents = cpu::PackedMatrix(dense.contents),
          .intensity = for_neurons(dense.intensity),
          .diagonal = for_neurons(dense.diagonal)};
}

template <class Normalised>
cpu::Readout make_readout(const Normalised& form) {
  return {.contents = cpu::PackedMatrix(form.contents)};
}

class CpuEngine final : public Engine {
 public:
  explicit CpuEngine(const Form& form)
      : field_(std::visit([](const auto& f) { return make_field(f); }, form)),
        readout_(std::visit([](const auto& f) { return make_readout(f); }, form)) {}

  void relax(const RelaxerOptions& options, MatrixView<const float> queries, const RelaxationView& results,
             const RelaxCall& call, const PatternTerms& terms) const override {
    const Schedule schedule = schedule_of(call.betas, options.max_steps);
    RelaxationView view = results;
    std::vector<std::int32_t> own_steps;
    if (!view.contents.empty() && !schedule.empty() && view.steps.empty()) {
      own_steps.resize(static_cast<std::size_t>(queries.rows));
      view.steps = own_steps;
    }
    const Index taken = cpu::relax(field_, options, queries, view, call, terms);
    if (view.contents.empty()) return;
    const cpu::StateBatch reached{
        .states = view.states, .terms = terms, .schedule = schedule, .steps = view.steps.data()};
    cpu::recall(field_, readout_, reached.slice(0, taken), view.contents.slice(0, taken), {}, options.threads);
  }

  void recall(MatrixView<const float> queries, const PatternTerms& terms, MatrixView<float> contents,
              std::span<float> intensity, int threads) const override {
    cpu::recall(field_, readout_, {.states = queries, .terms = terms}, contents, intensity, threads);
  }

  void retrieve(MatrixView<const float> queries, const PatternTerms& terms, const Schedule& schedule,
                MatrixView<Index> patterns, MatrixView<float> posteriors, int threads) const override {
    cpu::retrieve(field_, {.states = queries, .terms = terms, .schedule = schedule}, patterns, posteriors, threads);
  }

 private:
  cpu::Field field_;
  cpu::Readout readout_;
};

}  // namespace

std::unique_ptr<const Engine> make_cpu_engine(const Form& form) { return std::make_unique<CpuEngine>(form); }

}  // namespace attractor::detail
