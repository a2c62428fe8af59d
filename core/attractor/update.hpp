#pragma once

/// Updates x' = g(x, u): how a state x follows its readout u. The formulas are in core/update-inl.hpp, written once
/// for every instruction set and device.

#include <variant>

namespace attractor {

/// x' = tanh(x + gain·u). Energy relaxation with adaptive halting uses gain = 1/2. `gain` is finite and not negative.
struct TanhUpdate {
  float gain = 0.5F;
};

/// x' = sign(u); a neuron whose u is 0 keeps its state (Hopfield 1982). All neurons at once.
///
/// 0 is what can't be told from it: sums of float that should be 0 seldom are. Of a linear memory W = FᵀF, its diagonal
/// kept, a field counts as 0 while |u_i| ≤ 2⁻²⁰ √(W_ii λ D) max|x|, with λ the largest eigenvalue of W: by Cauchy and
/// Schwarz |F_i||Fx| ≤ √(W_ii λ D) max|x|, and the rounding of F, of its products and of their sums are each about 2⁻²⁴
/// of that (errors of many roundings grow like the square root of their number: Higham, Mary 2019); 16 is six times
/// their standard deviation. max|x| is that of the query, and after its first step at least 1. With
/// Hebb's rule and bipolar patterns, PD < 2²⁴, it is at most 1/(2D): fields of bipolar states are integers over D,
/// summed without rounding. Of dense associative memories of order n it is 2⁻²¹ n max_μ|a_μi| Σ|p_μ|, of memories
/// with normalised weights, whose readouts average patterns, 2⁻²¹ max_μ|a_μi|.
struct SignUpdate {};

/// x' = u. With softmax separation this is the update of modern Hopfield networks (Ramsauer et al. 2020, eq. 3).
struct ReadoutUpdate {};

/// x' = x + rate·(u − x). `rate` is in (0, 1]; rate = 1 is ReadoutUpdate up to rounding.
struct BlendUpdate {
  float rate = 0.5F;
};

/// One of the updates above.
using Update = std::variant<TanhUpdate, SignUpdate, ReadoutUpdate, BlendUpdate>;

/// x' = tanh(x + gain·u).
inline Update tanh_update(float gain = 0.5F) { return TanhUpdate{gain}; }
/// x' = sign(u).
inline Update sign_update() { return SignUpdate{}; }
/// x' = u.
inline Update readout_update() { return ReadoutUpdate{}; }
/// x' = x + rate·(u − x).
inline Update blend_update(float rate) { return BlendUpdate{rate}; }

}  // namespace attractor
