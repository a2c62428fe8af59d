#pragma once

/// Where a relaxation's results go.

#include <cstdint>
#include <span>

#include <attractor/bit_view.hpp>
#include <attractor/halting.hpp>
#include <attractor/matrix_view.hpp>

namespace attractor {

/// Where results go, row i for query i. Unused parts stay empty; nothing may overlap the queries or one another.
///
/// One of `states`, `int8_states` and `bits` is required. The latter two are for sign updates and for queries of
/// formats that hold no more than they do, on the CPU: a neuron may keep what the query has. So int8 takes queries in
/// int8 or bits, and bits those in bits, under updates that leave no 0 (not AtZero::zero). What is no number in a state
/// that has diverged is 0 in int8 and −1 in bits.
struct RelaxationView {
  MatrixView<float> states = {};             ///< [B × D]
  std::span<std::int32_t> steps = {};        ///< [B] updates applied
  std::span<float> energies = {};            ///< [B] energy of the returned state; needs energies or energy halting
  std::span<Status> status = {};             ///< [B]
  MatrixView<float> energy_trace = {};       ///< [B × max_steps]; (i, t−1) is E_t, NaN past the query's last step
  MatrixView<float> contents = {};           ///< [B × M]; only memories with contents
  MatrixView<std::int8_t> int8_states = {};  ///< [B × D] instead of `states`
  BitView<std::uint8_t> bits = {};           ///< [B × D] instead of `states`
};

}  // namespace attractor
