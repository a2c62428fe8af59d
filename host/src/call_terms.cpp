#include "host/src/call_terms.hpp"

#include <string>

#include <attractor/error.hpp>

#include "host/src/validation.hpp"

namespace attractor::detail {

PatternTerms call_terms(const MemoryState& memory, Index query_count, const RelaxCall& call) {
  const PatternTerms terms =
      checked_pattern_terms(call.valid_patterns, call.log_prior, query_count, memory.patterns.count());
  if (!terms.empty() && !is_normalised(memory.rule))
    throw NotSupported("a " + std::string(name_of(memory.rule)) +
                       " memory takes all of its patterns together; valid patterns and log-priors of a call are for "
                       "memories whose weights sum to 1");
  return terms;
}

void check_retrieves(const MemoryState& memory) {
  if (!is_normalised(memory.rule))
    throw NotSupported("the weights of a " + std::string(name_of(memory.rule)) +
                       " memory are no probabilities; only memories whose weights sum to 1 retrieve patterns");
}

void check_call_betas(const MemoryState& memory, std::span<const float> betas) {
  if (betas.empty()) return;
  const std::string name(name_of(memory.rule));
  if (!is_normalised(memory.rule))
    throw NotSupported("a " + name +
                       " memory has no temperature; betas of a call are for modern_hopfield and exponential memories");
  if (!has_temperature(memory.rule))
    throw NotSupported("the rank weights of an " + name +
                       " memory include its inverse temperature, which betas of a call can't replace");
  check_betas(betas, inverse_temperature(memory.rule));
}

}  // namespace attractor::detail
