#pragma once

/// What a relaxation takes and what it gives.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include <attractor/halting.hpp>
#include <attractor/matrix.hpp>
#include <attractor/relaxation_view.hpp>
#include <attractor/update.hpp>

namespace attractor {

struct RelaxerOptions {
  /// How a state follows its readout. Default: sign where the literature has states of ±1, readout for modern Hopfield
  /// and adaptive memories.
  std::optional<Update> update = std::nullopt;
  /// When a query halts. Default, by update and memory; none depends on what leaves the dynamics alone, as priors
  /// common to all patterns do:
  ///   sign                     state_stable(0): the state is unchanged
  ///   others, linear and dense associative memories
  ///                            energy_stable(): |E_t − E_{t−1}| ≤ 1e-4·|E_t|
  ///   others, memories with normalised weights
  ///                            energy_stable({.absolute = 1e-4/β, .relative = 0}): 1e-4 nats (adaptive: β = 1); in
  ///                            a call with betas β is the last of them
  std::optional<Halting> halting = std::nullopt;
  int max_steps = 100;  ///< ≥ 1; the exact number of steps with fixed_steps()
  /// Final energies, also where the halting rule needs none; costs one more evaluation for each query. Halting by
  /// energy always reports them.
  bool energies = false;
  bool energy_trace = false;  ///< E_1, E_2, … of every query; implies `energies`
  /// Threads of the CPU, 0 to 1024; 0: as many as the environment variable OMP_NUM_THREADS says, or else as there are
  /// processors that this thread may run on and its control group has time on. Where the system refuses threads, fewer
  /// do the same. Results don't depend on it.
  int threads = 0;
  /// CUDA: linear memories too large for shared memory may round the operands of their products to 10 bits of mantissa,
  /// as TF32 has them: tensor cores have half or a third to do. Bipolar patterns and states keep all their digits, and
  /// so do scores and weights, sums of ±1, up to 2048 terms, or 4096 if their number is even: the dimension of a
  /// factored memory, the patterns of a dense one. Softmax memories have a precision instead, see ProductPrecision.
  bool tf32 = false;
};

/// How far a call has come.
struct Progress {
  Index finished = 0;  ///< queries with a result; those that were cancelled have none
  Index total = 0;     ///< queries of this call
};

/// Optional parts of one call.
struct RelaxCall {
  /// [B × D]; neurons with a nonzero entry are known and keep the query's value. Empty: none.
  MatrixView<const std::uint8_t> clamped = {};
  /// Patterns that take part, [1 × P] for all queries or [B × P], of memories whose weights are normalised: those with
  /// a zero are as if they weren't stored. Empty: all. A query for which none takes part diverges.
  MatrixView<const std::uint8_t> valid_patterns = {};
  /// Added to the scores of such memories, [1 × P] or [B × P]; −∞: as if the pattern weren't stored. Empty: 0. A query
  /// with a NaN or +∞ for a pattern that takes part diverges. They are taken as they are: what they have in common
  /// costs the scores' digits, and is part of the energy.
  MatrixView<const float> log_prior = {};
  /// Inverse temperatures β_1, β_2, … of steps 1, 2, …, of which the last holds for all later steps, on the host; for
  /// modern Hopfield and exponential memories, whose own β they replace. One is a temperature for the whole call,
  /// rising ones anneal. Empty: the memory's own. Log-priors are not multiplied by them. Finite and positive, as their
  /// ratios to the memory's own β must be in float; those past max_steps + 1 are no more than
  /// checked.
  ///
  /// E_t is the energy of x_t that the next step descends, at β_{t+1}; contents are read out with its weights. Energies
  /// at several temperatures don't compare, so of n values a query converges at t ≥ n: the first energies that are
  /// compared are E_{n−1} and E_n, the first step whose change of state counts is the n-th, and cycles are those of
  /// later steps.
  std::span<const float> betas = {};
  /// Called about 200 times, at least once at the end, by whichever thread has just finished queries: the caller's or
  /// one of the library's, in which signals are blocked; never by two at a time. What it throws cancels the call and is
  /// rethrown from it.
  std::function<void(const Progress&)> progress = {};
  /// Ends the call early. Finished queries keep their results. Those under way get `Status::cancelled`, what they
  /// reached and the steps they took. Those that still waited, a last part of the batch, get `Status::cancelled`, 0
  /// steps and a NaN for energy; their rows of states, traces and contents aren't written, so that in a Relaxation
  /// they mean nothing. On CUDA devices whole chunks of queries finish or wait.
  std::stop_token stop = {};
};

/// Results of a call, in the order of the queries.
struct Relaxation {
  Matrix<float> states;             ///< [B × D]
  std::vector<std::int32_t> steps;  ///< [B] updates applied
  std::vector<float> energies;      ///< [B] energy of the returned state; empty where none were asked for
  std::vector<Status> status;       ///< [B]
  Matrix<float> energy_trace;       ///< [B × max_steps], NaN past a query's last step; empty without the option
  Matrix<float> contents;           ///< [B × M]; empty where the memory is auto-associative
};

}  // namespace attractor
