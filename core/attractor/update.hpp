#pragma once

/// Updates x' = g(x, u): how a state x follows its readout u. The formulas are in core/update-inl.hpp, written once
/// for every instruction set and device.

#include <variant>

namespace attractor {

/// x' = tanh(x + gain·u). Energy relaxation with adaptive halting uses gain = 1/2. `gain` is finite and not negative.
struct TanhUpdate {
  float gain = 0.5F;
};

/// x' = sign(u); a neuron whose u is exactly 0 keeps its state (Hopfield 1982). All neurons at once.
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
