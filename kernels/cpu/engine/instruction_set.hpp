#pragma once

namespace attractor::cpu {

/// The instruction set that the kernels use on this machine, by Highway's name: "SSE4", "AVX2", "AVX3" (AVX-512) …
const char* instruction_set();

/// Whether this machine takes minima of integers faster than those of floats: AMD's processors have twice the units,
/// Intel's half of them for vectors of 512 bits.
bool sorts_integers_faster();

}  // namespace attractor::cpu
