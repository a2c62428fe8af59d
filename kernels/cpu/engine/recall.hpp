#pragma once

/// What softmax memories give for states that stay where they are: contents, or the most likely pattern.

#include <cstdint>
#include <span>

#include <attractor/matrix.hpp>

#include "kernels/cpu/engine/field.hpp"

namespace attractor::cpu {

/// contents_i = softmax(s)ᵀC for every row. The memory is a softmax one.
void recall(const Field& field, const PackedMatrix& contents, MatrixView<const float> states,
            MatrixView<float> readouts, int threads);

/// The first pattern with the largest score of every row, and its softmax(s); −1 and NaN where a row isn't finite. The
/// memory is a softmax one.
void retrieve(const Field& field, MatrixView<const float> states, std::span<Index> patterns,
              std::span<float> posteriors, int threads);

}  // namespace attractor::cpu
