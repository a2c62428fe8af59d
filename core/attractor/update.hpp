#pragma once

/// Updates x' = g(x, u): how a state x follows its readout u. The library has each formula once, for every instruction
/// set and device.

#include <cstdint>
#include <optional>
#include <variant>

namespace attractor {

/// x' = tanh(x + gain·u). Energy relaxation with adaptive halting uses gain = 1/2. `gain` is finite and not negative.
struct TanhUpdate {
  float gain = 0.5F;
};

/// What becomes of a neuron whose field is 0 under a sign update.
enum class AtZero : unsigned char {
  keep,  ///< it stays as it is (Hopfield 1982)
  zero,  ///< 0, as with correlation-matrix memories: it says that it doesn't know. Synchronous updates only; states are
         ///< then of −1, 0 and 1, and no query is found to be `oscillating`
  plus,  ///< +1, the Heaviside step of much of the literature
};

/// x' = sign(u), all neurons at once (Hopfield 1982; Amari 1972).
///
/// 0 is what can't be told from it: sums of float that should be 0 seldom are. Of a linear memory W = FᵀF, its diagonal
/// kept, a field counts as 0 while |u_i| ≤ 2⁻²⁰ √(W_ii λ D) max|x|, with λ the largest eigenvalue of W: by Cauchy and
/// Schwarz |F_i||Fx| ≤ √(W_ii λ D) max|x|, and the rounding of F, of its products and of their sums are each about 2⁻²⁴
/// of that (errors of many roundings grow like the square root of their number: Higham, Mary 2019); 16 is six times
/// their standard deviation. max|x| is that of the query, and after its first step at least 1. With
/// Hebb's rule and bipolar patterns, PD < 2²⁴, it is at most 1/(2D): fields of bipolar states are integers over D,
/// summed without rounding. Of Storkey's rule, whose W has no F, it is 2⁻²⁰ |W_i| √D max|x|. Of dense associative
/// memories of order n it is 2⁻²¹ n max_μ|a_μi| Σ|p_μ|, of memories with normalised weights, whose readouts average
/// patterns, 2⁻²¹ max_μ|a_μi|.
struct SignUpdate {
  AtZero at_zero = AtZero::keep;
};

/// Sign updates of one neuron after another, each of which sees what those before it have become: a step is a sweep
/// over all neurons that aren't clamped. A neuron takes the sign of E(x_i = −1) − E(x_i = +1), and keeps its state, or
/// becomes +1, where that is 0. On linear memories without self-coupling this is x_i' = sign(u_i) (Hopfield 1982), with
/// it the diagonal's share of u counts too; on dense associative ones it is the rule of Krotov, Hopfield 2016, eq. 3.
/// Once a state is of ±1, as it is after the first sweep unless fields of 0 kept other values, no step raises the
/// energy, so that every query ends in a fixed point. (With self-coupling: where the diagonal of W isn't negative, as
/// with all learning rules here.)
///
/// 0 is what can't be told from it: of linear memories as for SignUpdate, of dense associative ones of order n 2⁻²¹ n
/// times what its terms, the differences of F for each pattern, add up to in magnitude; max|x| is at least 1 here. The
/// products Ax (or Wx) of the queries in flight are kept: 128 bytes for each pattern (or neuron) and thread. A neuron
/// costs O(P), or on dense linear memories O(D) where it changes: overlaps follow each change.
struct AsynchronousSignUpdate {
  /// None: neurons come as they are numbered. Else in an order that follows from this and D alone, the same for every
  /// query and sweep.
  std::optional<std::uint64_t> seed = std::nullopt;
  AtZero at_zero = AtZero::keep;  ///< keep or plus
};

/// x' = u. With softmax separation this is the update of modern Hopfield networks (Ramsauer et al. 2020, eq. 3).
struct ReadoutUpdate {};

/// x' = x + rate·(u − x). `rate` is in (0, 1]; rate = 1 is ReadoutUpdate up to rounding.
struct BlendUpdate {
  float rate = 0.5F;
};

/// One of the updates above.
using Update = std::variant<TanhUpdate, SignUpdate, AsynchronousSignUpdate, ReadoutUpdate, BlendUpdate>;

/// x' = tanh(x + gain·u).
inline Update tanh_update(float gain = 0.5F) { return TanhUpdate{gain}; }
/// x' = sign(u).
inline Update sign_update(AtZero at_zero = AtZero::keep) { return SignUpdate{at_zero}; }
/// x_i' = sign(u_i), one neuron after another.
inline Update asynchronous_sign_update(std::optional<std::uint64_t> seed = std::nullopt,
                                       AtZero at_zero = AtZero::keep) {
  return AsynchronousSignUpdate{seed, at_zero};
}
/// x' = u.
inline Update readout_update() { return ReadoutUpdate{}; }
/// x' = x + rate·(u − x).
inline Update blend_update(float rate) { return BlendUpdate{rate}; }

}  // namespace attractor
