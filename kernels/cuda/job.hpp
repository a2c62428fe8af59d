#pragma once

/// What one relaxation on a device reads and writes, as kernels take it: plain values, every pointer on the device.

#include <cstdint>

#include <attractor/halting.hpp>
#include <attractor/matrix.hpp>
#include <attractor/relaxation.hpp>
#include <attractor/update.hpp>

namespace attractor::cuda {

/// An Update that a kernel can take apart.
struct UpdateRule {
  enum class Kind : unsigned char { tanh, sign, readout, blend };
  Kind kind = Kind::sign;
  float parameter = 0.0F;  ///< gain or rate
};

UpdateRule to_rule(const Update& update);

/// Arguments are valid: host/ has checked them.
struct Job {
  MatrixView<const float> queries;         ///< [B × D]
  MatrixView<const std::uint8_t> clamped;  ///< [B × D] or null
  MatrixView<float> states;                ///< [B × D]
  std::int32_t* steps = nullptr;           ///< [B] or null
  float* energies = nullptr;               ///< [B] or null
  Status* status = nullptr;                ///< [B] or null
  MatrixView<float> energy_trace;          ///< [B × max_steps] or null
  Halting halting;
  UpdateRule update;
  int max_steps = 1;
  bool wants_energy = false;  ///< energies are asked for, or halting watches them
};

}  // namespace attractor::cuda
