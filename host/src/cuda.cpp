#include <attractor/cuda.hpp>
#include <attractor/error.hpp>
#include <attractor/relaxer.hpp>

#include "host/src/access.hpp"
#include "host/src/call_terms.hpp"
#include "host/src/cuda_engine.hpp"
#include "host/src/validation.hpp"
#include "kernels/cuda/engine/relax.hpp"

namespace attractor {
namespace {

std::string names(const std::vector<Device>& devices) {
  std::string list = devices.front().description();
  for (std::size_t i = 1; i < devices.size(); ++i) list += ", " + devices[i].description();
  return list;
}

const cuda::DeviceMemory& device_memory(const Relaxer& relaxer) {
  if (relaxer.devices().size() != 1 || relaxer.devices().front().kind() != Device::Kind::cuda)
    throw NotSupported("asynchronous relaxation needs a memory on one CUDA device; this relaxer is on " +
                       names(relaxer.devices()));
  if (relaxer.memory().pattern_count() == 0)
    throw NotSupported("asynchronous relaxation needs a memory with patterns; this one is empty");
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-static-cast-downcast): the device says which engine it is
  return static_cast<const detail::CudaEngine&>(*detail::Access::state(relaxer.memory()).engine).memory();
}

bool sweeps(const Relaxer& relaxer) { return cuda::to_rule(*relaxer.options().update).sweeps(); }

}  // namespace

std::size_t workspace_bytes(const Relaxer& relaxer, Index queries) {
  const cuda::DeviceMemory& memory = device_memory(relaxer);
  detail::check_count(queries, relaxer.memory().dimension(), "queries");
  const cuda::DeviceScope scope(memory.device());
  return memory.workspace_bytes(queries, sweeps(relaxer));
}

bool relaxes_in_one_launch(const Relaxer& relaxer) {
  return cuda::relaxes_in_one_launch(device_memory(relaxer), sweeps(relaxer));
}

void relax_async(const Relaxer& relaxer, MatrixView<const float> queries, const RelaxationView& results,
                 const CudaCall& call) {
  const cuda::DeviceMemory& memory = device_memory(relaxer);
  const RelaxCall checked{.clamped = call.clamped, .valid_patterns = call.valid_patterns, .log_prior = call.log_prior};
  const detail::MemoryState& state = detail::Access::state(relaxer.memory());
  detail::check_call(queries, checked, relaxer.memory().dimension());
  detail::check_call_betas(state, call.betas);
  const detail::PatternTerms terms = detail::call_terms(state, queries.rows, checked);
  detail::check_results(results, queries, checked, relaxer.options(), relaxer.memory().content_dimension());
  detail::check_floats(results, relaxer.memory().device());
  if (queries.rows == 0) return;
  const RelaxerOptions options = detail::Access::options(relaxer, call.betas);
  cuda::relax_async(
      memory, options, queries, results,
      {.clamped = call.clamped, .patterns = terms, .schedule = detail::schedule_of(call.betas, options.max_steps)},
      call.workspace, call.stream);
}

}  // namespace attractor
