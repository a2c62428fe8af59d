#pragma once

/// Rows of floats and of doubles in double precision, for what is made once of a memory's patterns.

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// Σ a_i b_i: of every sixteenth i by itself, then of these, products rounded before they are added. So bits are the
/// same with every instruction set. Products of two floats are exact.
double dot(const float* a, const float* b, Index count);
double dot(const float* a, const double* b, Index count);
double dot(const double* a, const double* b, Index count);

/// sums_i += factor · row_i, likewise.
void add_scaled(double* sums, double factor, const float* row, Index count);
void add_scaled(double* sums, double factor, const double* row, Index count);

}  // namespace attractor::cpu
