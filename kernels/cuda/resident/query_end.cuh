#pragma once

/// What kernels whose lanes have a query each do with it: they step it, judge it and give it away.

#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/engine/job.hpp"

namespace attractor::cuda::resident {

__device__ __forceinline__ float not_a_number() { return __int_as_float(0x7fffffff); }

/// Whether lanes write what they find: of several that know the same one does.
enum class Writes : bool { no, yes };

/// Writes the numbers of a query that has come to its end.
__device__ inline void write_end(const Job& job, Index query, int steps, float energy, Status status) {
  if (job.steps != nullptr) job.steps[query] = steps;
  if (job.energies != nullptr) job.energies[query] = energy;
  if (job.status != nullptr) job.status[query] = status;
  if (job.energy_trace.data == nullptr) return;
  float* const trace = job.energy_trace.row(query);
  for (int t = steps; t < job.max_steps; ++t) trace[t] = not_a_number();
}

/// Whether a query has come to its end at step t ≥ 1. Writes its numbers. `energy` counts where energies are wanted.
__device__ __forceinline__ bool ends(const Job& job, const detail::EndRule& rule, Index query, int t,
                                     const detail::StepOutcome& outcome, double energy, detail::EndJudge& judge,
                                     Writes writes = Writes::yes) {
  const bool known = job.wants_energy && outcome.finite;
  const float result = known ? static_cast<float>(energy) : not_a_number();
  if (writes == Writes::yes && job.energy_trace.data != nullptr) job.energy_trace.row(query)[t - 1] = result;
  if (!judge.state_ends(rule, t, outcome) && !(job.wants_energy && judge.energy_ends(rule, t, energy))) return false;
  if (writes == Writes::yes) write_end(job, query, t, result, judge.status());
  return true;
}

__device__ __forceinline__ bool ends(const Job& job, Index query, int t, const detail::StepOutcome& outcome,
                                     double energy, detail::EndJudge& judge, Writes writes = Writes::yes) {
  return ends(job, job.end(), query, t, outcome, energy, judge, writes);
}

}  // namespace attractor::cuda::resident
