#pragma once

/// States of ±1 as bits.

#include <memory>

#include <attractor/update.hpp>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/cpu/engine/field_kernel.hpp"

namespace attractor::cpu {

/// Empty unless all entries are ±1, and so few that what the kernel adds up fits its integers.
BipolarFactor make_bipolar_factor(MatrixView<const float> factor);

/// Whether states of ±1 may be bits, whose fields are integers times a scale: float must have them all.
bool takes_bits(const FactoredField& field, const SignUpdate& update);

/// Takes states as bits where that gives what `on_floats` would, bit for bit, and leaves it all others; where no state
/// of this memory and update can be taken so, it is `on_floats` itself.
std::unique_ptr<FieldKernel> make_bipolar_kernel(const FactoredField& field, const SignUpdate& update, Index width,
                                                 std::unique_ptr<FieldKernel> on_floats);

}  // namespace attractor::cpu
