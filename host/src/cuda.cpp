#include <attractor/cuda.hpp>
#include <attractor/error.hpp>
#include <attractor/relaxer.hpp>

#include "host/src/access.hpp"
#include "host/src/call_terms.hpp"
#include "host/src/cuda_engine.hpp"
#include "host/src/validation.hpp"
#include "kernels/cuda/engine/relax.hpp"
#include "kernels/cuda/engine/retrieve.hpp"

namespace attractor {
namespace {

std::string names(const std::vector<Device>& devices) {
  std::string list = devices.front().description();
  for (std::size_t i = 1; i < devices.size(); ++i) list += ", " + devices[i].description();
  return list;
}

/// Of one with patterns on a CUDA device.
const cuda::DeviceMemory& device_memory(const Memory& memory) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-static-cast-downcast): the device says which engine it is
  return static_cast<const detail::CudaEngine&>(*detail::Access::state(memory).engine).memory();
}

const cuda::DeviceMemory& device_memory(const Relaxer& relaxer) {
  if (relaxer.devices().size() != 1 || relaxer.devices().front().kind() != Device::Kind::cuda)
    throw NotSupported("asynchronous relaxation needs a memory on one CUDA device; this relaxer is on " +
                       names(relaxer.devices()));
  if (relaxer.memory().pattern_count() == 0)
    throw NotSupported("asynchronous relaxation needs a memory with patterns; this one is empty");
  return device_memory(relaxer.memory());
}

/// Of one whose patterns can be retrieved.
void check_retrieves(const Memory& memory) {
  detail::check_retrieves(detail::Access::state(memory));
  if (memory.device().kind() != Device::Kind::cuda)
    throw NotSupported("asynchronous retrieval needs a memory on a CUDA device; this one is on " +
                       memory.device().description());
}

cuda::UpdateRule rule_of(const Relaxer& relaxer) { return cuda::to_rule(*relaxer.options().update); }

}  // namespace

std::size_t workspace_bytes(const Relaxer& relaxer, Index queries) {
  const cuda::DeviceMemory& memory = device_memory(relaxer);
  detail::check_count(queries, relaxer.memory().dimension(), "queries");
  const cuda::DeviceScope scope(memory.device());
  return memory.workspace_bytes(queries, rule_of(relaxer));
}

bool relaxes_in_one_launch(const Relaxer& relaxer) {
  return cuda::relaxes_in_one_launch(device_memory(relaxer), rule_of(relaxer));
}

void relax_async(const Relaxer& relaxer, const QueryView& queries, const RelaxationView& results,
                 const CudaCall& call) {
  const cuda::DeviceMemory& memory = device_memory(relaxer);
  const RelaxCall checked{.clamped = call.clamped, .valid_patterns = call.valid_patterns, .log_prior = call.log_prior};
  const detail::MemoryState& state = detail::Access::state(relaxer.memory());
  detail::check_call(queries, checked, relaxer.memory().dimension());
  detail::check_call_betas(state, call.betas);
  const detail::PatternTerms terms = detail::call_terms(state, queries.rows(), checked);
  detail::check_results(results, queries, checked, relaxer.options(), relaxer.memory().content_dimension());
  detail::check_formats(queries, "queries", relaxer.memory().device());
  detail::check_formats(results, relaxer.memory().device());
  if (queries.rows() == 0) return;
  const RelaxerOptions options = detail::Access::options(relaxer, call.betas);
  cuda::relax_async(
      memory, options, queries, results,
      {.clamped = call.clamped, .patterns = terms, .schedule = detail::schedule_of(call.betas, options.max_steps)},
      call.workspace, call.stream);
}

std::size_t retrieval_workspace_bytes(const Memory& memory, Index queries, Index count) {
  check_retrieves(memory);
  detail::check_count(queries, memory.dimension(), "queries");
  detail::check_retrieval_count(count, memory.pattern_count());
  return memory.pattern_count() == 0 ? 0 : device_memory(memory).retrieval_workspace_bytes(queries, count);
}

void retrieve_async(const Memory& memory, MatrixView<const float> queries, const RetrievalView& results,
                    const CudaRetrieval& call) {
  check_retrieves(memory);
  detail::check_queries(queries, memory.dimension());
  const detail::PatternTerms terms =
      detail::checked_pattern_terms(call.valid_patterns, call.log_prior, queries.rows, memory.pattern_count());
  const std::span<const float> betas(call.beta ? &*call.beta : nullptr, call.beta ? 1 : 0);
  detail::check_call_betas(detail::Access::state(memory), betas);
  detail::check_results(results, queries, terms, memory.pattern_count());
  if (queries.rows == 0) return;
  const cuda::RetrievalJob job{.queries = queries,
                               .terms = terms,
                               .schedule = detail::schedule_of(betas, 1),
                               .patterns = results.pattern,
                               .posteriors = results.posterior};
  if (memory.pattern_count() == 0)
    cuda::retrieve_nothing_async(memory.device().index(), job, call.stream);
  else
    cuda::retrieve_async(device_memory(memory), job, call.workspace, call.stream);
}

}  // namespace attractor
