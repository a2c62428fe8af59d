#pragma once

/// What a Memory holds: the rule it was made by, the patterns as given, and the engine that relaxes queries on them.

#include <memory>
#include <variant>

#include "host/src/engine.hpp"

namespace attractor::detail {

/// The rule and its parameters; contents are kept apart.
using Rule = std::variant<HebbianOptions, ProjectionOptions, ModernHopfieldOptions, AdaptiveSimilarity>;

/// Whether states are read out by a softmax over scores.
inline bool is_softmax(const Rule& rule) {
  return std::holds_alternative<ModernHopfieldOptions>(rule) || std::holds_alternative<AdaptiveSimilarity>(rule);
}

struct MemoryState {
  Device device;
  Rule rule;
  Matrix<float> patterns;
  Matrix<float> contents;
  Evaluation evaluation;
  std::unique_ptr<const Engine> engine;
};

}  // namespace attractor::detail
