#pragma once

/// The rule of a memory as strings, for a file's metadata; weights and priors of a similarity are tensors instead.

#include "host/src/rule.hpp"
#include "host/src/safetensors.hpp"

namespace attractor::detail {

Metadata to_metadata(const Rule& rule);

/// @throws InvalidArgument what describes the rule is missing or has no meaning.
Rule parse_rule(const Metadata& metadata);

}  // namespace attractor::detail
