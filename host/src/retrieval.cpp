#include <attractor/retrieval.hpp>

#include "host/src/access.hpp"
#include "host/src/call_terms.hpp"
#include "host/src/host_memory.hpp"
#include "host/src/memory_state.hpp"
#include "host/src/validation.hpp"

namespace attractor {
namespace {

void check_on_host(const QueryView& queries, const RetrievalView& results, const detail::PatternTerms& terms) {
  detail::check_on_host(queries, "queries");
  detail::check_on_host(terms.valid, "valid patterns");
  detail::check_on_host(terms.log_prior, "log-priors");
  detail::check_on_host(results.pattern, "retrieved patterns");
  detail::check_on_host(results.posterior, "posteriors");
}

}  // namespace

Retrieval retrieve(const Memory& memory, const QueryView& queries, const RetrievalOptions& options) {
  detail::check_retrieves(detail::Access::state(memory));
  detail::check_queries(queries, memory.dimension());
  detail::check_retrieval_count(options.count, memory.pattern_count());
  detail::check_count(queries.rows(), options.count, "retrieved patterns");
  const auto count = static_cast<std::size_t>(queries.rows() * options.count);
  Retrieval result{.pattern = std::vector<Index>(count),
                   .posterior = std::vector<float>(options.posteriors ? count : 0)};
  RetrievalView view{.pattern = {result.pattern.data(), queries.rows(), options.count}};
  if (options.posteriors) view.posterior = {result.posterior.data(), queries.rows(), options.count};
  retrieve(memory, queries, view, options);
  return result;
}

void retrieve(const Memory& memory, const QueryView& queries, const RetrievalView& results,
              const RetrievalOptions& options) {
  const detail::MemoryState& state = detail::Access::state(memory);
  detail::check_retrieves(state);
  detail::check_queries(queries, memory.dimension());
  detail::check_threads(options.threads);
  const detail::PatternTerms terms =
      detail::checked_pattern_terms(options.valid_patterns, options.log_prior, queries.rows(), memory.pattern_count());
  detail::check_results(results, queries, terms, memory.pattern_count());
  if (detail::works_on_host(memory))
    check_on_host(queries, results, terms);
  else
    detail::check_floats(queries, "queries", memory.device());
  const std::span<const float> betas(options.beta ? &*options.beta : nullptr, options.beta ? 1 : 0);
  detail::check_call_betas(state, betas);
  if (queries.rows() > 0)
    state.engine->retrieve(queries, terms, detail::schedule_of(betas, 1), results.pattern, results.posterior,
                           options.threads);
}

}  // namespace attractor
