#pragma once

/// What a Memory holds: the rule it was made by, the patterns as given, and the engine that relaxes queries on them.

#include <memory>

#include "host/src/engine.hpp"
#include "host/src/rule.hpp"

namespace attractor::detail {

struct MemoryState {
  Device device;
  Rule rule;
  Matrix<float> patterns;
  Matrix<float> contents;
  Evaluation evaluation;
  std::unique_ptr<const Engine> engine;
};

}  // namespace attractor::detail
