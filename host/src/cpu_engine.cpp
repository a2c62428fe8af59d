#include <algorithm>
#include <cstdint>
#include <limits>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "core/sign_updates.hpp"
#include "host/src/dense_sums.hpp"
#include "host/src/engine.hpp"
#include "host/src/linear_rules.hpp"
#include "kernels/cpu/adaptive/adaptive.hpp"
#include "kernels/cpu/engine/recall.hpp"
#include "kernels/cpu/engine/relax.hpp"
#include "kernels/cpu/pointwise/bipolar.hpp"
#include "kernels/cpu/softmax/byte_patterns.hpp"
#include "kernels/cpu/softmax/rough_patterns.hpp"

namespace attractor::detail {
namespace {

/// A value for each neuron, as kernels read them.
cpu::AlignedFloats for_neurons(const std::vector<float>& values) {
  return {values, cpu::padded(static_cast<Index>(values.size()))};
}

/// Nothing where there are none.
cpu::AlignedFloats scaled_thresholds(const PointwiseForm& form, float factor = 1.0F) {
  if (form.thresholds.empty()) return {};
  std::vector<float> values(form.thresholds.begin(), form.thresholds.end());
  for (float& value : values) value *= factor;
  return for_neurons(values);
}

cpu::Field make_field(const PointwiseForm& form) {
  if (form.evaluation == Evaluation::dense)
    return cpu::DenseField{.weights = cpu::PackedMatrix(weights(form)),
                           .resolution = {},
                           .threshold = scaled_thresholds(form),
                           .scale = form.scale};
  return cpu::FactoredField{.factor = cpu::PackedMatrix(form.factor),
                            .diagonal = for_neurons(removed_diagonal(form)),
                            .resolution = for_neurons(form.resolution),
                            .threshold = scaled_thresholds(form),
                            .linear_weights = scaled_thresholds(form, 2.0F / form.energy_scale),
                            .separation = form.separation,
                            .score_scale = form.score_scale,
                            .scale = form.scale,
                            .energy_scale = form.energy_scale};
}

/// Finds what sign updates need to know of all patterns together.
void find_resolution(cpu::FactoredField& field) {
  Matrix<float> factor(field.factor.rows(), field.factor.columns());
  field.factor.copy_to(factor);
  // Fields with thresholds aren't sums of scores alone.
  if (field.threshold.data() == nullptr) field.bipolar = cpu::make_bipolar_factor(factor);
  field.resolution = for_neurons(field_resolution(factor, field.scale));
}

/// What there is for each pattern: `otherwise` where the form has nothing, and `last` for the rows that pad the last
/// panel.
struct PatternValues {
  const std::vector<float>& given;
  float otherwise;
  float last;

  /// Values of the patterns from `first` on, for which there is room.
  void write(cpu::AlignedFloats& to, Index first, Index count) const noexcept {
    for (Index i = first; i < cpu::padded(count); ++i)
      to[i] = i >= count ? last : given.empty() ? otherwise : given[static_cast<std::size_t>(i - first)];
  }
};

/// The arrays that a softmax field has for each pattern.
class PatternArrays {
 public:
  explicit PatternArrays(const SoftmaxForm& form)
      : scale_{form.scale, form.beta, form.beta},
        offset_{form.offset, 0.0F, 0.0F},
        log_prior_{form.log_prior, 0.0F, -std::numeric_limits<float>::infinity()} {}

  /// Values of the patterns from `first` on, for which there is room.
  void write(cpu::SoftmaxField& field, Index first, Index count) const noexcept {
    scale_.write(field.scale, first, count);
    offset_.write(field.offset, first, count);
    log_prior_.write(field.log_prior, first, count);
  }

 private:
  PatternValues scale_;
  PatternValues offset_;
  PatternValues log_prior_;
};

/// Takes in patterns behind those there are, and what the form says of all.
void append(cpu::SoftmaxField& field, const SoftmaxForm& form) {
  const Index first = field.patterns.rows();
  const Index count = first + form.patterns.rows;
  cpu::AlignedFloats resolution = for_neurons(form.resolution);
  for (cpu::AlignedFloats* const array : {&field.scale, &field.offset, &field.log_prior})
    array->reserve(cpu::padded(count), cpu::padded(first));
  field.patterns.reserve(count);
  PatternArrays(form).write(field, first, count);
  field.patterns.append(form.patterns);
  field.resolution = std::move(resolution);
  field.potential_offset = form.potential_offset;
  field.energy_offset = form.energy_offset;
  field.rough.outdate(first);
  field.bytes.outdate(first);
}

cpu::Field make_field(const SoftmaxForm& form) {
  cpu::SoftmaxField field{.patterns = cpu::PackedMatrix(form.patterns.columns, form.storage, form.centre),
                          .centre = for_neurons(form.centre),
                          .similarity = form.similarity,
                          .separation = form.separation,
                          .beta = form.beta,
                          .quadratic = form.quadratic};
  append(field, form);
  return field;
}

cpu::Field make_field(const AdaptiveForm& form) {
  cpu::AdaptiveField field = cpu::make_adaptive(cpu::PackedMatrix(form.patterns), form.similarity);
  field.resolution = for_neurons(form.resolution);
  return field;
}

void append(cpu::AdaptiveField& field, const AdaptiveForm& form) {
  cpu::AlignedFloats resolution = for_neurons(form.resolution);
  cpu::append(field, form.patterns);
  field.resolution = std::move(resolution);
}

/// Of memories that are made anew instead.
template <class Field, class Form>
void append(Field& /*field*/, const Form& /*form*/) {}

void remove(cpu::SoftmaxField& field, std::span<const Index> patterns) noexcept {
  cpu::for_moves(patterns, field.patterns.rows(), [&](Index from, Index to) {
    for (cpu::AlignedFloats* const array : {&field.scale, &field.offset, &field.log_prior})
      (*array)[to] = (*array)[from];
  });
  field.patterns.remove(patterns);
  const Index count = field.patterns.rows();
  const SoftmaxForm nothing{.patterns = {}, .contents = {}, .resolution = {}, .beta = field.beta};
  PatternArrays(nothing).write(field, count, count);
  if (patterns.empty()) return;
  field.rough.outdate(patterns.front());
  field.bytes.outdate(patterns.front());
}

cpu::Readout make_readout(const PointwiseForm& form) {
  if (form.evaluation == Evaluation::factored)
    return {.contents = cpu::PackedMatrix(form.contents), .intensity = for_neurons(form.intensity)};
  const DenseReadout dense = dense_readout(form);
  return {.contents = cpu::PackedMatrix(dense.contents),
          .intensity = for_neurons(dense.intensity),
          .diagonal = for_neurons(dense.diagonal)};
}

cpu::Readout make_readout(const SoftmaxForm& form) {
  return {.contents = cpu::PackedMatrix(form.contents, form.content_storage)};
}
cpu::Readout make_readout(const AdaptiveForm& form) { return {.contents = cpu::PackedMatrix(form.contents)}; }

/// The patterns in the layout of kernels; null where a field keeps what became of them, or nothing.
const cpu::PackedMatrix* patterns_of(const cpu::EmptyField& /*field*/) { return nullptr; }
const cpu::PackedMatrix* patterns_of(const cpu::FactoredField& field) { return &field.factor; }
const cpu::PackedMatrix* patterns_of(const cpu::SoftmaxField& field) { return &field.patterns; }
const cpu::PackedMatrix* patterns_of(const cpu::AdaptiveField& field) { return &field.patterns; }
const cpu::PackedMatrix* patterns_of(const cpu::DenseField& /*field*/) { return nullptr; }

MatrixView<const float> contents_of(const Form& form) {
  return std::visit([](const auto& f) { return f.contents; }, form);
}

/// Σ_μ F_μi² of a factored memory that takes it out of its fields; else empty.
std::vector<double> removed_squares(const Form& form) {
  const auto* const pointwise = std::get_if<PointwiseForm>(&form);
  if (pointwise == nullptr || pointwise->self_coupling || pointwise->evaluation == Evaluation::dense) return {};
  std::vector<double> squares(static_cast<std::size_t>(pointwise->factor.columns), 0.0);
  add_squares(pointwise->factor, squares);
  return squares;
}

/// Those of dense memories.
DenseSums dense_sums(const Form& form) {
  const auto* const pointwise = std::get_if<PointwiseForm>(&form);
  if (pointwise == nullptr || pointwise->evaluation == Evaluation::factored) return {};
  return DenseSums(*pointwise);
}

class CpuEngine final : public Engine {
 public:
  explicit CpuEngine(const Form& form)
      : field_(std::visit([](const auto& f) { return make_field(f); }, form)),
        readout_(std::visit([](const auto& f) { return make_readout(f); }, form)),
        squares_(removed_squares(form)),
        sums_(dense_sums(form)) {}
  explicit CpuEngine(const cpu::EmptyField& field) : field_(field) {}

  [[nodiscard]] std::unique_ptr<Engine> copy() const override {
    const std::scoped_lock lock(mutex_);
    return std::unique_ptr<Engine>(new CpuEngine(field_, readout_, squares_, sums_));
  }

  [[nodiscard]] const cpu::PackedMatrix* patterns() const override {
    return std::visit([](const auto& field) { return patterns_of(field); }, field_);
  }

  /// Dense memories keep what became of theirs.
  [[nodiscard]] const cpu::PackedMatrix* contents() const override {
    return std::holds_alternative<cpu::DenseField>(field_) ? nullptr : &readout_.contents;
  }

  bool append(const Form& form) override {
    if (std::holds_alternative<cpu::DenseField>(field_)) return add(std::get<PointwiseForm>(form), 1.0F);
    const MatrixView<const float> contents = contents_of(form);
    readout_.contents.reserve(readout_.contents.rows() + contents.rows);
    if (const auto* const pointwise = std::get_if<PointwiseForm>(&form))
      append_pointwise(std::get<cpu::FactoredField>(field_), *pointwise);
    else
      std::visit([](auto& field, const auto& f) { detail::append(field, f); }, field_, form);
    readout_.contents.append(contents);
    return true;
  }

  bool subtract(const Form& form) override { return add(std::get<PointwiseForm>(form), -1.0F); }

  void remove(std::span<const Index> patterns) noexcept override {
    if (auto* const factored = std::get_if<cpu::FactoredField>(&field_))
      remove_pointwise(*factored, patterns);
    else if (auto* const softmax = std::get_if<cpu::SoftmaxField>(&field_))
      detail::remove(*softmax, patterns);
    else if (auto* const adaptive = std::get_if<cpu::AdaptiveField>(&field_))
      cpu::remove(*adaptive, patterns);
    if (readout_.contents.rows() > 0) readout_.contents.remove(patterns);
  }

  void relax(const RelaxerOptions& options, const QueryView& queries, const RelaxationView& results,
             const RelaxCall& call, const PatternTerms& terms) const override {
    complete_field();
    complete_field(*options.update);
    const Schedule schedule = schedule_of(call.betas, options.max_steps);
    RelaxationView view = results;
    std::vector<std::int32_t> own_steps;
    if (!view.contents.empty() && !schedule.empty() && view.steps.empty()) {
      own_steps.resize(static_cast<std::size_t>(queries.rows()));
      view.steps = own_steps;
    }
    const Index taken = cpu::relax(field_, options, queries, view, call, terms);
    if (view.contents.empty()) return;
    const cpu::StateBatch reached{
        .states = view.states.written(), .terms = terms, .schedule = schedule, .steps = view.steps.data()};
    cpu::recall(field_, readout_, reached.slice(0, taken), view.contents.slice(0, taken), {}, options.threads);
  }

  void recall(const QueryView& queries, const PatternTerms& terms, const ResultView& contents,
              std::span<float> intensity, int threads) const override {
    complete_field();
    cpu::recall(field_, readout_, {.states = queries, .terms = terms}, contents, intensity, threads);
  }

  void retrieve(const QueryView& queries, const PatternTerms& terms, const Schedule& schedule,
                MatrixView<Index> patterns, MatrixView<float> posteriors, int threads) const override {
    cpu::retrieve(field_, {.states = queries, .terms = terms, .schedule = schedule}, patterns, posteriors, threads);
  }

 private:
  CpuEngine(cpu::Field field, cpu::Readout readout, std::vector<double> squares, DenseSums sums)
      : field_(std::move(field)), readout_(std::move(readout)), squares_(std::move(squares)), sums_(std::move(sums)) {}

  bool add(const PointwiseForm& form, float sign) {
    auto& field = std::get<cpu::DenseField>(field_);
    if (form.weights.empty()) return sums_.add(form, sign, field, readout_);
    field.weights = cpu::PackedMatrix(form.weights);
    field.resolution = {};
    return true;
  }

  void append_pointwise(cpu::FactoredField& field, const PointwiseForm& form) {
    const Index first = field.factor.rows();
    const Index count = first + form.factor.rows;
    std::vector<double> squares = squares_;
    if (!squares.empty()) add_squares(form.factor, squares);
    cpu::AlignedFloats resolution = for_neurons(form.resolution);
    readout_.intensity.reserve(cpu::padded(count), cpu::padded(first));
    field.factor.reserve(count);
    PatternValues{form.intensity, 0.0F, 0.0F}.write(readout_.intensity, first, count);
    field.factor.append(form.factor);
    field.unit_rows = {};
    field.resolution = std::move(resolution);
    squares_ = std::move(squares);
    set_diagonal(field);
  }

  void remove_pointwise(cpu::FactoredField& field, std::span<const Index> patterns) noexcept {
    cpu::for_moves(patterns, field.factor.rows(),
                   [&](Index from, Index to) { readout_.intensity[to] = readout_.intensity[from]; });
    field.factor.remove(patterns);
    const Index count = field.factor.rows();
    for (Index i = count; i < cpu::padded(count); ++i) readout_.intensity[i] = 0.0F;
    // Sums in double of what is left aren't the old ones less what has gone.
    std::fill(squares_.begin(), squares_.end(), 0.0);
    for (Index i = 0; i < count; ++i)
      for (std::size_t k = 0; k < squares_.size(); ++k) {
        const auto value = static_cast<double>(field.factor.at(i, static_cast<Index>(k)));
        squares_[k] += value * value;
      }
    set_diagonal(field);
  }

  void set_diagonal(cpu::FactoredField& field) noexcept {
    for (std::size_t k = 0; k < squares_.size(); ++k)
      field.diagonal[static_cast<Index>(k)] = static_cast<float>(squares_[k]);
  }

  /// The same of what steps of softmax memories need to know of what has changed.
  void complete_field() const {
    auto* const softmax = std::get_if<cpu::SoftmaxField>(&field_);
    if (softmax == nullptr) return;
    const std::scoped_lock lock(mutex_);
    cpu::update_rough_patterns(*softmax);
    cpu::update_byte_patterns(*softmax);
  }

  /// Finds what this update needs to know of a linear memory's patterns together, unless it is known: the first
  /// relaxation that needs it does, whichever thread's it is.
  void complete_field(const Update& update) const {
    auto* const factored = std::get_if<cpu::FactoredField>(&field_);
    auto* const dense = std::get_if<cpu::DenseField>(&field_);
    if (factored == nullptr && dense == nullptr) return;
    const std::scoped_lock lock(mutex_);
    if (factored != nullptr && !factored->unit_rows.known) factored->unit_rows = cpu::make_unit_rows(factored->factor);
    if (!makes_signs(update)) return;
    if (factored != nullptr && factored->resolution.data() == nullptr) find_resolution(*factored);
    if (dense != nullptr && dense->resolution.data() == nullptr)
      dense->resolution = for_neurons(sums_.resolution(*dense));
  }

  mutable cpu::Field field_;
  cpu::Readout readout_;
  std::vector<double> squares_;  ///< [D] whose rounding the field's diagonal is; empty where that is 0
  DenseSums sums_;
  mutable std::mutex mutex_;
};

}  // namespace

std::unique_ptr<Engine> make_cpu_engine(const Form& form) { return std::make_unique<CpuEngine>(form); }

std::unique_ptr<Engine> make_empty_engine(Index columns) {
  return std::make_unique<CpuEngine>(cpu::EmptyField{.columns = columns});
}

}  // namespace attractor::detail
