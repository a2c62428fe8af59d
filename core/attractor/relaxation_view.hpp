#pragma once

/// Where a relaxation's results go.

#include <cstdint>
#include <span>

#include <attractor/halting.hpp>
#include <attractor/matrix_view.hpp>

namespace attractor {

/// Where results go, row i for query i. Unused parts stay empty; nothing may overlap the queries or one another.
struct RelaxationView {
  MatrixView<float> states;             ///< [B × D], required
  std::span<std::int32_t> steps = {};   ///< [B] updates applied
  std::span<float> energies = {};       ///< [B] energy of the returned state; needs energies or energy halting
  std::span<Status> status = {};        ///< [B]
  MatrixView<float> energy_trace = {};  ///< [B × max_steps]; (i, t−1) is E_t, NaN past the query's last step
  MatrixView<float> contents = {};      ///< [B × M]; only memories with contents
};

}  // namespace attractor
