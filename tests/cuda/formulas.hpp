#pragma once

/// Runs the formulas of core/ on the current CUDA device, for comparison with the host.

#include <span>
#include <vector>

#include <attractor/halting.hpp>
#include <attractor/update.hpp>

namespace attractor::test {

/// x' = g(x, u) for every pair.
std::vector<float> device_update(const Update& update, std::span<const float> states, std::span<const float> readouts);

/// The step at which these energies E_1, E_2, … halt, 0 if they don't.
int device_energy_halt(const Halting& rule, std::span<const double> energies);

/// The step at which these squared changes halt, 0 if they don't.
int device_state_halt(const Halting& rule, std::span<const double> squared_changes);

}  // namespace attractor::test
