#pragma once

namespace attractor::cpu {

/// The instruction set that the kernels use on this machine, by Highway's name: "SSE4", "AVX2", "AVX3" (AVX-512) …
const char* instruction_set();

}  // namespace attractor::cpu
