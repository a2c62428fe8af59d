#pragma once

/// What a Memory holds: the rule it was made by, the patterns as given, and the form the kernels read.

#include <optional>
#include <variant>

#include <attractor/memory.hpp>

#include "kernels/cpu/field.hpp"

namespace attractor::detail {

/// The rule and its parameters; for modern Hopfield memories the contents are kept apart.
using Rule = std::variant<HebbianOptions, ProjectionOptions, ModernHopfieldOptions>;

struct MemoryState {
  Device device;
  Rule rule;
  Matrix<float> patterns;
  Matrix<float> contents;
  cpu::Field field;
  std::optional<cpu::PackedMatrix> packed_contents;
};

}  // namespace attractor::detail
