#include <optional>
#include <utility>

#include "host/src/engine.hpp"
#include "host/src/linear_rules.hpp"
#include "kernels/cpu/adaptive.hpp"
#include "kernels/cpu/recall.hpp"
#include "kernels/cpu/relax.hpp"

namespace attractor::detail {
namespace {

cpu::Field make_field(const LinearForm& form) {
  if (form.evaluation == Evaluation::dense)
    return cpu::DenseField{.weights = cpu::PackedMatrix(weights(form.factor, form.self_coupling)), .scale = form.scale};
  cpu::FactoredField field{.factor = cpu::PackedMatrix(form.factor),
                           .diagonal = cpu::AlignedFloats(cpu::padded(form.factor.columns)),
                           .scale = form.scale};
  const std::vector<float> removed = removed_diagonal(form.factor, form.self_coupling);
  std::copy(removed.begin(), removed.end(), field.diagonal.data());
  return field;
}

cpu::Field make_field(const SoftmaxForm& form) {
  cpu::SoftmaxField field{.patterns = cpu::PackedMatrix(form.patterns),
                          .ones = cpu::AlignedFloats(cpu::padded(form.patterns.columns)),
                          .beta = form.beta,
                          .energy_offset = form.energy_offset};
  std::fill_n(field.ones.data(), form.patterns.columns, 1.0F);
  return field;
}

cpu::Field make_field(const AdaptiveForm& form) {
  return cpu::make_adaptive(cpu::PackedMatrix(form.patterns), form.similarity);
}

class CpuEngine final : public Engine {
 public:
  explicit CpuEngine(const Form& form) : field_(std::visit([](const auto& f) { return make_field(f); }, form)) {
    const MatrixView<const float> contents = contents_of(form);
    if (!contents.empty()) contents_.emplace(contents);
  }

  void relax(const RelaxerOptions& options, MatrixView<const float> queries, const RelaxationView& results,
             const RelaxCall& call) const override {
    const Index taken = cpu::relax(field_, options, queries, results, call);
    if (!results.contents.empty())
      cpu::recall(field_, *contents_, results.states.slice(0, taken), results.contents.slice(0, taken),
                  options.threads);
  }

  void retrieve(MatrixView<const float> queries, std::span<Index> patterns, std::span<float> posteriors,
                int threads) const override {
    cpu::retrieve(field_, queries, patterns, posteriors, threads);
  }

 private:
  cpu::Field field_;
  std::optional<cpu::PackedMatrix> contents_;
};

}  // namespace

std::unique_ptr<const Engine> make_cpu_engine(const Form& form) { return std::make_unique<CpuEngine>(form); }

}  // namespace attractor::detail
