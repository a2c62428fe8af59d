#include <attractor/relaxer.hpp>

#include <utility>

#include "host/src/memory_state.hpp"
#include "host/src/validation.hpp"
#include "kernels/cpu/relax.hpp"

namespace attractor {
namespace {

/// Fills in what depends on the memory or follows from other options.
RelaxerOptions completed(RelaxerOptions options, const detail::MemoryState& memory) {
  if (!options.update)
    options.update = std::holds_alternative<cpu::SoftmaxField>(memory.field) ? readout_update() : sign_update();
  options.energies |= options.energy_trace || options.halting.watch == Halting::Watch::energy;
  return options;
}

/// Room for the results of one call.
Relaxation allocate(MatrixView<const float> queries, const RelaxerOptions& options, Index content_columns) {
  const auto count = static_cast<std::size_t>(queries.rows);
  return {.states = Matrix<float>(queries.rows, queries.columns),
          .steps = std::vector<std::int32_t>(count),
          .energies = std::vector<float>(options.energies ? count : 0),
          .status = std::vector<Status>(count),
          .energy_trace = options.energy_trace ? Matrix<float>(queries.rows, options.max_steps) : Matrix<float>(),
          .contents = content_columns > 0 ? Matrix<float>(queries.rows, content_columns) : Matrix<float>()};
}

void run(const detail::MemoryState& memory, const RelaxerOptions& options, MatrixView<const float> queries,
         const RelaxationView& results, const RelaxCall& call) {
  if (queries.rows == 0) return;
  cpu::relax(memory.field, options, queries, results, call);
  if (!results.contents.empty())
    cpu::recall(std::get<cpu::SoftmaxField>(memory.field), *memory.packed_contents, results.states, results.contents,
                options.threads);
}

}  // namespace

Relaxer::Relaxer(Memory memory, const RelaxerOptions& options) : memory_(std::move(memory)), options_(options) {
  detail::check_options(options_);
  options_ = completed(options_, *memory_.state_);
}

Relaxation Relaxer::relax(MatrixView<const float> queries, const RelaxCall& call) const {
  detail::check_call(queries, call, memory_.dimension());
  Relaxation results = allocate(queries, options_, memory_.contents().columns);
  const RelaxationView view{.states = results.states,
                            .steps = results.steps,
                            .energies = results.energies,
                            .status = results.status,
                            .energy_trace = results.energy_trace,
                            .contents = results.contents};
  run(*memory_.state_, options_, queries, view, call);
  return results;
}

void Relaxer::relax(MatrixView<const float> queries, const RelaxationView& results, const RelaxCall& call) const {
  detail::check_call(queries, call, memory_.dimension());
  detail::check_results(results, queries, call, options_, memory_.contents().columns);
  run(*memory_.state_, options_, queries, results, call);
}

}  // namespace attractor
