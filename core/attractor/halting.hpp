#pragma once

/// When a query halts. One rule, used by the reference and by every fast path.

#include <cmath>

#include <attractor/host_device.hpp>

namespace attractor {

/// How one query's relaxation ended.
enum class Status : unsigned char {
  converged,  ///< its change stayed within tolerance for `patience` consecutive steps
  max_steps,  ///< it took `max_steps` steps without converging; every fixed-step query ends so
  diverged,   ///< its state or energy stopped being finite; no other query is affected
  cancelled,  ///< the call was cancelled first; its state is what it had reached, see RelaxCall::stop
  /// Its state came back to what it was two steps before and will for ever: synchronous sign updates on symmetric
  /// weights end in a fixed point or in such a cycle of two states (Goles, Fogelman 1985). Found by those that watch
  /// the state.
  oscillating,
};

/// The name of a status, as in the enumeration.
constexpr const char* to_string(Status status) {
  switch (status) {
    case Status::converged: return "converged";
    case Status::max_steps: return "max_steps";
    case Status::diverged: return "diverged";
    case Status::cancelled: return "cancelled";
    case Status::oscillating: return "oscillating";
  }
  return "unknown";
}

/// A halting rule: what is watched, and how little it must change for how long.
///
/// With E_t the energy after step t, a query halts at the first t ≥ 2 at which its change has been within tolerance for
/// `patience` consecutive steps. There is no E_0. Under a schedule of temperatures, RelaxCall::betas, energies compare
/// and changes count once the last one holds.
struct Halting {
  enum class Watch : unsigned char {
    energy,   ///< |E_t − E_{t−1}| ≤ absolute + relative·|E_t|
    state,    ///< ‖x_t − x_{t−1}‖₂ ≤ absolute
    nothing,  ///< never halt early: `max_steps` steps for every query
  };
  Watch watch = Watch::energy;
  float absolute = 0.0F;   ///< finite, ≥ 0; in units of the energy, or of the state's Euclidean norm
  float relative = 1e-4F;  ///< finite, ≥ 0; energy only
  int patience = 1;        ///< ≥ 1
};

/// Tolerances of `energy_stable`.
struct EnergyTolerance {
  float absolute = 0.0F;   ///< in units of the energy
  float relative = 1e-4F;  ///< of |E_t|: for energies whose zero has a meaning, as that of linear memories
  int patience = 1;
};

/// Halt when the query's own energy stabilises: |E_t − E_{t−1}| ≤ absolute + relative·|E_t|.
///
/// Scores are float, so an energy resolves about 2e-7 of itself (energies are summed to far better than that). At a
/// relative tolerance of 1e-5 a query halts as in exact arithmetic, give or take a step; about 1e-6 is the smallest
/// that is useful. Below, a query halts once its state repeats, which most do, or runs to `max_steps`.
inline Halting energy_stable(EnergyTolerance tolerance = {}) {
  return {Halting::Watch::energy, tolerance.absolute, tolerance.relative, tolerance.patience};
}

/// Halt when the state stops moving: ‖x_t − x_{t−1}‖₂ ≤ tolerance. Needs no energies. With a sign update a query also
/// halts, as `oscillating`, at the first t ≥ 2 with x_t = x_{t−2} ≠ x_{t−1}; a converged state at tolerance 0 is a
/// fixed point.
inline Halting state_stable(float tolerance, int patience = 1) {
  return {Halting::Watch::state, tolerance, 0.0F, patience};
}

/// Never halt early; every query takes exactly `max_steps` steps.
inline Halting fixed_steps() { return {Halting::Watch::nothing, 0.0F, 0.0F, 1}; }

/// One query's progress towards halting: a few bytes, one predicate per rule.
///
/// `first_step` is the first step from which on all are alike: 1, or the one that takes the last value of a schedule.
/// Only those say where a query comes to rest, so changes count from there.
class HaltingMonitor {
 public:
  /// Takes E_t, the energy that step t + 1 descends; call for t = 1, 2, … in order. True when the query halts at t. The
  /// first change that counts is that from E_{t−1} to E_t with t = `first_step`, or 2.
  ATTRACTOR_HOST_DEVICE bool energy_halts(const Halting& rule, int t, double energy, int first_step = 1) {
    const double change = std::abs(energy - previous_energy_);
    const double tolerance = static_cast<double>(rule.absolute) + static_cast<double>(rule.relative) * std::abs(energy);
    previous_energy_ = energy;
    return t >= 2 && t >= first_step && lasts(rule, change <= tolerance);
  }

  /// Takes ‖x_t − x_{t−1}‖²; call for t = 1, 2, … in order. True when the query halts at t.
  ATTRACTOR_HOST_DEVICE bool state_halts(const Halting& rule, int t, double squared_change, int first_step = 1) {
    const double tolerance = rule.absolute;
    return t >= first_step && lasts(rule, squared_change <= tolerance * tolerance) && t >= 2;
  }

 private:
  ATTRACTOR_HOST_DEVICE bool lasts(const Halting& rule, bool within) {
    calm_steps_ = within ? calm_steps_ + 1 : 0;
    return calm_steps_ >= rule.patience;
  }

  double previous_energy_ = 0.0;
  int calm_steps_ = 0;
};

}  // namespace attractor
