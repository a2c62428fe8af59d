#pragma once

/// Relaxation: a batch of queries descends a memory's energy, each query until its own energy stabilises.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include <attractor/export.hpp>
#include <attractor/halting.hpp>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/update.hpp>

namespace attractor {

struct RelaxerOptions {
  /// How a state follows its readout. Default: sign for linear memories, readout for modern Hopfield memories.
  std::optional<Update> update = std::nullopt;
  Halting halting = energy_stable();
  int max_steps = 100;  ///< ≥ 1; the exact number of steps with fixed_steps()
  /// Final energies, also where the halting rule needs none; costs one more evaluation for each query. Halting by
  /// energy always reports them.
  bool energies = false;
  bool energy_trace = false;  ///< E_1, E_2, … of every query; implies `energies`
  int threads = 0;            ///< worker threads, ≥ 0; 0: as many as OpenMP would use. Results don't depend on it.
};

/// How far a call has come.
struct Progress {
  Index finished = 0;  ///< queries with a result
  Index total = 0;     ///< queries of this call
};

/// Optional parts of one call.
struct RelaxCall {
  /// [B × D]; neurons with a nonzero entry are known and keep the query's value. Empty: none.
  MatrixView<const std::uint8_t> clamped = {};
  /// Called now and then, at least once at the end, never by two threads at a time; what it throws cancels the call and
  /// is rethrown from it.
  std::function<void(const Progress&)> progress = {};
  /// Ends the call early: queries still relaxing or waiting get `Status::cancelled`, what they reached and the steps
  /// they took; finished ones keep their results.
  std::stop_token stop = {};
};

/// Where results go, row i for query i. Unused parts stay empty; nothing may overlap the queries or one another.
struct RelaxationView {
  MatrixView<float> states;              ///< [B × D], required
  std::span<std::int32_t> steps = {};    ///< [B] updates applied
  std::span<float> energies = {};        ///< [B] energy of the returned state; needs energies or energy halting
  std::span<Status> status = {};         ///< [B]
  MatrixView<float> energy_trace = {};   ///< [B × max_steps]; (i, t−1) is E_t, NaN past the query's last step
  MatrixView<float> contents = {};       ///< [B × M]; only memories with contents
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

/// Relaxes queries on a memory. Holds no state between calls: one relaxer may serve many threads at once.
///
/// x_0 is the query; for t = 1, 2, …: x_t = g(x_{t−1}, u(x_{t−1})), E_t = E(x_t). Two promises hold, bit for bit: a
/// query's result does not depend on the other queries of its batch, on its position or on the number of threads; and
/// halting returns what relaxing the query alone for as many steps returns.
class ATTRACTOR_EXPORT Relaxer {
 public:
  /// Keeps the memory as it is now; later changes to `memory` have no effect on this relaxer.
  ///
  /// @throws InvalidArgument max_steps or patience below 1, a tolerance, gain or rate that is negative or NaN, a blend
  ///         rate outside (0, 1], a negative number of threads.
  explicit Relaxer(Memory memory, const RelaxerOptions& options = {});

  /// Relaxes every row of `queries` [B × D] and returns the results. B = 0 returns empty results.
  ///
  /// @throws InvalidArgument null data, other than D columns, a stride below D, a clamp mask of another shape.
  /// @throws std::bad_alloc
  /// Blocks until done. Extra memory: a few tiles of states for each thread, independent of B.
  [[nodiscard]] Relaxation relax(MatrixView<const float> queries, const RelaxCall& call = {}) const;

  /// The same into the caller's buffers.
  ///
  /// @throws InvalidArgument also for an output of the wrong shape, one that overlaps the queries, the clamp mask or
  ///         another output, or one that these options do not produce.
  void relax(MatrixView<const float> queries, const RelaxationView& results, const RelaxCall& call = {}) const;

  [[nodiscard]] const Memory& memory() const { return memory_; }
  [[nodiscard]] const RelaxerOptions& options() const { return options_; }  ///< with `update` always set

 private:
  Memory memory_;
  RelaxerOptions options_;
};

}  // namespace attractor
