#include <attractor/retrieval.hpp>

#include "host/src/access.hpp"
#include "host/src/call_terms.hpp"
#include "host/src/host_memory.hpp"
#include "host/src/memory_state.hpp"
#include "host/src/validation.hpp"

namespace attractor {

Retrieval retrieve(const Memory& memory, const QueryView& queries, const RetrievalOptions& options) {
  const detail::MemoryState& state = detail::Access::state(memory);
  detail::check_retrieves(state);
  detail::check_queries(queries, memory.dimension());
  detail::check_on_host(queries, "queries");
  if (!detail::works_on_host(memory)) detail::check_floats(queries, "queries", memory.device());
  detail::check_threads(options.threads);
  detail::check_retrieval_count(options.count, memory.pattern_count());
  const detail::PatternTerms terms =
      detail::checked_pattern_terms(options.valid_patterns, options.log_prior, queries.rows(), memory.pattern_count());
  detail::check_on_host(terms.valid, "valid patterns");
  detail::check_on_host(terms.log_prior, "log-priors");
  detail::check_count(queries.rows(), options.count, "retrieved patterns");
  const std::span<const float> betas(options.beta ? &*options.beta : nullptr, options.beta ? 1 : 0);
  detail::check_call_betas(state, betas);
  const auto count = static_cast<std::size_t>(queries.rows() * options.count);
  Retrieval result{.pattern = std::vector<Index>(count),
                   .posterior = std::vector<float>(options.posteriors ? count : 0)};
  if (queries.rows() > 0)
    state.engine->retrieve(
        queries, terms, detail::schedule_of(betas, 1), {result.pattern.data(), queries.rows(), options.count},
        {options.posteriors ? result.posterior.data() : nullptr, queries.rows(), options.count}, options.threads);
  return result;
}

}  // namespace attractor
