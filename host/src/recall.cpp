#include <attractor/recall.hpp>

#include <algorithm>
#include <limits>
#include <string>

#include <attractor/error.hpp>
#include <attractor/relaxation.hpp>

#include "host/src/access.hpp"
#include "host/src/call_terms.hpp"
#include "host/src/host_memory.hpp"
#include "host/src/validation.hpp"
#include "kernels/cpu/engine/lanes.hpp"

namespace attractor {
namespace {

/// Whatever a kernel makes of NaN and infinity.
void mark_unless_finite(const QueryView& queries, Recall& result) {
  constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
  for (Index i = 0; i < queries.rows(); ++i) {
    if (cpu::all_finite(detail::row_of(queries, i), queries.columns())) continue;
    std::fill_n(result.contents.row(i), result.contents.columns(), not_a_number);
    if (!result.intensity.empty()) result.intensity[static_cast<std::size_t>(i)] = not_a_number;
  }
}

}  // namespace

Recall recall(const Memory& memory, const QueryView& queries, const RecallOptions& options) {
  const detail::MemoryState& state = detail::Access::state(memory);
  if (!detail::weighs_patterns(state.rule))
    throw NotSupported("a " + std::string(detail::name_of(state.rule)) +
                       " memory has no weights of patterns to read contents out by");
  detail::check_queries(queries, memory.dimension());
  detail::check_on_host(queries, "queries");
  if (!detail::works_on_host(memory)) detail::check_floats(queries, "queries", memory.device());
  detail::check_threads(options.threads);
  const detail::PatternTerms terms = detail::call_terms(
      state, queries.rows(), {.valid_patterns = options.valid_patterns, .log_prior = options.log_prior});
  detail::check_on_host(terms.valid, "valid patterns");
  detail::check_on_host(terms.log_prior, "log-priors");
  const Index columns = memory.content_dimension() == 0 ? memory.dimension() : memory.content_dimension();
  detail::check_count(queries.rows(), columns, "rows of contents");
  const auto count = static_cast<std::size_t>(detail::is_normalised(state.rule) ? 0 : queries.rows());
  Recall result{.contents = Matrix<float>(queries.rows(), columns), .intensity = std::vector<float>(count)};
  if (queries.rows() > 0) state.engine->recall(queries, terms, result.contents, result.intensity, options.threads);
  mark_unless_finite(queries, result);
  return result;
}

}  // namespace attractor
