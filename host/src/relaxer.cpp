#include <attractor/relaxer.hpp>

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include <attractor/error.hpp>

#include "core/sign_updates.hpp"
#include "host/src/access.hpp"
#include "host/src/call_terms.hpp"
#include "host/src/cuda_backend.hpp"
#include "host/src/validation.hpp"

namespace attractor {
namespace {

/// Of an energy in nats, the default tolerance: posteriors change by no more than about this.
constexpr float default_nats = 1e-4F;

Halting default_halting(const detail::Rule& rule, const Update& update, float beta) {
  if (detail::makes_signs(update)) return state_stable(0.0F);
  if (!detail::is_normalised(rule)) return energy_stable();
  // A β near 0 must not make it infinite.
  return energy_stable(
      {.absolute = std::min(default_nats / beta, std::numeric_limits<float>::max()), .relative = 0.0F});
}

/// Fills in what depends on the memory or follows from other options.
RelaxerOptions completed(RelaxerOptions options, const detail::MemoryState& memory) {
  if (!options.update) options.update = detail::default_update(memory.rule);
  if (!options.halting)
    options.halting = default_halting(memory.rule, *options.update, detail::inverse_temperature(memory.rule));
  options.energies |= options.energy_trace || options.halting->watch == Halting::Watch::energy;
  return options;
}

void check_update(const RelaxerOptions& options, const detail::Rule& rule) {
  if (options.update && std::holds_alternative<AsynchronousSignUpdate>(*options.update) && detail::is_normalised(rule))
    throw NotSupported("asynchronous sign updates are for memories whose energy is a sum over patterns; that of a " +
                       std::string(detail::name_of(rule)) + " memory is none");
}

/// What the call says of patterns, once all that it brings has been checked.
detail::PatternTerms checked_inputs(const QueryView& queries, const RelaxCall& call, const Memory& memory) {
  detail::check_call(queries, call, memory.dimension());
  detail::check_call_betas(detail::Access::state(memory), call.betas);
  return detail::call_terms(detail::Access::state(memory), queries.rows(), call);
}

/// Room for the results of one call.
Relaxation allocate(const QueryView& queries, const RelaxerOptions& options, Index content_columns) {
  const auto count = static_cast<std::size_t>(queries.rows());
  return {.states = Matrix<float>(queries.rows(), queries.columns()),
          .steps = std::vector<std::int32_t>(count),
          .energies = std::vector<float>(options.energies ? count : 0),
          .status = std::vector<Status>(count),
          .energy_trace = options.energy_trace ? Matrix<float>(queries.rows(), options.max_steps) : Matrix<float>(),
          .contents = content_columns > 0 ? Matrix<float>(queries.rows(), content_columns) : Matrix<float>()};
}

/// Which device a query relaxes on is chance, so they must all give the same result.
void check_alike(const Device& a, const Device& b) {
  const std::string a_traits = detail::cuda_traits(a.index());
  const std::string b_traits = detail::cuda_traits(b.index());
  if (a_traits != b_traits)
    throw NotSupported("unlike devices may round results differently, so they can't share queries: " + a.description() +
                       " has " + a_traits + "; " + b.description() + " has " + b_traits);
}

void check_devices(std::span<const Device> devices) {
  if (devices.empty()) throw InvalidArgument("a relaxer needs a device; none was given");
  if (devices.size() == 1) return;
  for (auto device = devices.begin(); device != devices.end(); ++device) {
    if (device->kind() != Device::Kind::cuda)
      throw InvalidArgument("only CUDA devices share queries; " + device->description() + " is none");
    if (std::find(devices.begin(), device, *device) != device)
      throw InvalidArgument(device->description() + " is named twice");
  }
  for (const Device& device : devices) check_alike(devices.front(), device);
}

}  // namespace

Relaxer::Relaxer(Memory memory, const RelaxerOptions& options)
    : memory_(std::move(memory)), devices_{memory_.device()}, options_(options), default_halting_(!options.halting) {
  detail::check_options(options_);
  check_update(options_, detail::Access::state(memory_).rule);
  options_ = completed(options_, detail::Access::state(memory_));
}

Relaxer::Relaxer(std::span<const Device> devices, const Memory& memory, const RelaxerOptions& options)
    : Relaxer((check_devices(devices), memory.copy_to(devices.front())), options) {
  devices_.assign(devices.begin(), devices.end());
  for (const Device& device : devices.subspan(1)) replicas_.push_back(memory.copy_to(device));
}

RelaxerOptions Relaxer::options_at(std::span<const float> betas) const {
  RelaxerOptions options = options_;
  if (default_halting_ && !betas.empty())
    options.halting = default_halting(detail::Access::state(memory_).rule, *options.update, betas.back());
  return options;
}

void Relaxer::run(const QueryView& queries, const RelaxationView& results, const RelaxCall& call,
                  const detail::PatternTerms& terms, const RelaxationView& given) const {
  const detail::MemoryState& memory = detail::Access::state(memory_);
  const bool on_host = detail::works_on_host(memory_);
  if (!on_host) {
    detail::check_formats(queries, "queries", memory_.device());
    detail::check_formats(given, memory_.device());
  }
  if (queries.rows() == 0) return;
  if (on_host) detail::check_on_host(queries, given, call, terms);
  const RelaxerOptions options = options_at(call.betas);
  if (on_host || replicas_.empty()) return memory.engine->relax(options, queries, results, call, terms);
  std::vector<const detail::Engine*> engines = {memory.engine.get()};
  for (const Memory& replica : replicas_) engines.push_back(detail::Access::state(replica).engine.get());
  detail::relax_sharded(engines, options, queries, results, call, terms);
}

Relaxation Relaxer::relax(const QueryView& queries, const RelaxCall& call) const {
  const detail::PatternTerms terms = checked_inputs(queries, call, memory_);
  Relaxation results = allocate(queries, options_, memory_.content_dimension());
  const RelaxationView view{.states = results.states,
                            .steps = results.steps,
                            .energies = results.energies,
                            .status = results.status,
                            .energy_trace = results.energy_trace,
                            .contents = results.contents};
  run(queries, view, call, terms, {});
  return results;
}

void Relaxer::relax(const QueryView& queries, const RelaxationView& results, const RelaxCall& call) const {
  const detail::PatternTerms terms = checked_inputs(queries, call, memory_);
  detail::check_results(results, queries, call, options_, memory_.content_dimension());
  run(queries, results, call, terms, results);
}

}  // namespace attractor
