#pragma once

/// The oracle of normalised separations, in double precision: straight from their definitions.

#include <vector>

#include <attractor/separation.hpp>

namespace attractor::reference {

/// Weights p of scores [P]; they sum to 1, but those of epanechnikov may all be 0.
std::vector<double> weights(const NormalisedSeparation& separation, const std::vector<double>& scores);

/// Ω*(s).
double potential(const NormalisedSeparation& separation, const std::vector<double>& scores);

}  // namespace attractor::reference
