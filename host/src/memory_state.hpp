#pragma once

/// What a Memory holds: the rule it was made by, the patterns as given, and the engine that relaxes queries on them.

#include <memory>

#include "host/src/engine.hpp"
#include "host/src/identifiers.hpp"
#include "host/src/pattern_statistics.hpp"
#include "host/src/projection.hpp"
#include "host/src/rule.hpp"
#include "host/src/stored_rows.hpp"
#include "host/src/storkey.hpp"

namespace attractor::detail {

struct MemoryState {
  Device device;
  Rule rule;
  PatternStatistics statistics;
  Evaluation evaluation;
  std::unique_ptr<Engine> engine;
  Projection projection;  ///< of projection memories that change in place; else of no patterns
  Storkey storkey;        ///< the same of Storkey memories
  StoredRows patterns;
  StoredRows contents;
  Identifiers identifiers;  ///< of the patterns
};

}  // namespace attractor::detail
