#pragma once

/// Where a relaxation's results go.

#include <cstdint>
#include <span>

#include <attractor/halting.hpp>
#include <attractor/matrix_view.hpp>
#include <attractor/query_view.hpp>

namespace attractor {

/// Where results go, row i for query i. Unused parts stay empty; nothing may overlap the queries or one another. But
/// states may be the queries themselves, the same rows in the same format: they are then relaxed in place.
///
/// Floats of 16 bits are for memories on the CPU. States in int8 and bits are for sign updates and for queries of
/// formats that hold no more than they do: a neuron may keep what the query has. So int8 takes queries in int8 or
/// bits, and bits those in bits, under updates that leave no 0 (not AtZero::zero). What is no number in a state that
/// has diverged is 0 in int8 and −1 in bits. Energies are those of states before they are rounded to 16 bits, contents
/// those read out after.
struct RelaxationView {
  ResultView states = {};               ///< [B × D], required
  std::span<std::int32_t> steps = {};   ///< [B] updates applied
  std::span<float> energies = {};       ///< [B] energy of the returned state; needs energies or energy halting
  std::span<Status> status = {};        ///< [B]
  MatrixView<float> energy_trace = {};  ///< [B × max_steps]; (i, t−1) is E_t, NaN past the query's last step
  ResultView contents = {};             ///< [B × M] floats of 32 or 16 bits; only memories with contents
};

}  // namespace attractor
