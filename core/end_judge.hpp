#pragma once

/// When a query's relaxation ends, and how: the order in which its states and energies are asked, written once for the
/// reference and every engine.

#include <cmath>

#include <attractor/halting.hpp>
#include <attractor/host_device.hpp>

namespace attractor::detail {

/// What the queries of a call have in common.
struct EndRule {
  Halting halting = {};
  int max_steps = 1;
  bool wants_energy = false;    ///< energies are asked for, or halting watches them
  bool watches_cycles = false;  ///< sign updates whose halting watches the state
  int first_step = 1;           ///< from which on all steps are alike, see HaltingMonitor
};

/// What step t did to a query.
struct StepOutcome {
  bool finite = true;           ///< the readout and the new state are
  double squared_change = 0.0;  ///< ‖x_t − x_{t−1}‖², where the state is watched
  bool returned = false;        ///< x_t = x_{t−2}, where cycles are watched
};

/// One query's way to its end. After step t = 1, 2, … ask `state_ends` and then, where energies are wanted,
/// `energy_ends` with E_t: the query ends at the first of them that is true.
///
/// A monitor with two flags in the room that its alignment leaves: devices keep one for each query in shared memory.
class EndJudge : HaltingMonitor {
 public:
  ATTRACTOR_HOST_DEVICE bool state_ends(const EndRule& rule, int t, const StepOutcome& step) {
    if (!step.finite) {
      status_ = Status::diverged;
      return true;
    }
    if (rule.halting.watch == Halting::Watch::state &&
        state_halts(rule.halting, t, step.squared_change, rule.first_step))
      return halts(rule, Status::converged);
    // Two steps that are alike have led back.
    if (rule.watches_cycles && t > rule.first_step && step.returned && step.squared_change > 0.0)
      return halts(rule, Status::oscillating);
    return t == rule.max_steps && rule.halting.watch != Halting::Watch::energy && halts(rule, Status::max_steps);
  }

  ATTRACTOR_HOST_DEVICE bool energy_ends(const EndRule& rule, int t, double energy) {
    // An energy that isn't finite comes from a readout that isn't, by which the next step ends the query, as it would
    // if no energies were asked for.
    const bool finite = std::isfinite(energy);
    if (finite && rule.halting.watch == Halting::Watch::energy &&
        energy_halts(rule.halting, t, energy, rule.first_step)) {
      status_ = Status::converged;
      return true;
    }
    if (!halted_ && t < rule.max_steps) return false;
    if (!finite) status_ = Status::diverged;
    return true;
  }

  /// How the query ended.
  [[nodiscard]] ATTRACTOR_HOST_DEVICE Status status() const { return status_; }

 private:
  /// Its status is known; it ends at once or with the energy of its last state.
  ATTRACTOR_HOST_DEVICE bool halts(const EndRule& rule, Status status) {
    status_ = status;
    halted_ = rule.wants_energy;
    return !rule.wants_energy;
  }

  bool halted_ = false;
  Status status_ = Status::max_steps;
};

}  // namespace attractor::detail
