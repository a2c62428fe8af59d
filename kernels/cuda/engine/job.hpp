#pragma once

/// What one relaxation on a device reads and writes, as kernels take it: plain values, every pointer on the device.

#include <algorithm>
#include <cstdint>
#include <optional>

#include <attractor/halting.hpp>
#include <attractor/host_device.hpp>
#include <attractor/matrix_view.hpp>
#include <attractor/update.hpp>

#include "core/end_judge.hpp"
#include "kernels/cuda/engine/packed_rows.hpp"
#include "kernels/pattern_terms.hpp"
#include "kernels/schedule.hpp"

namespace attractor::cuda {

/// An Update that a kernel can take apart.
struct UpdateRule {
  enum class Kind : unsigned char { tanh, sign, asynchronous_sign, readout, blend };
  Kind kind = Kind::sign;
  float parameter = 0.0F;                            ///< gain or rate
  AtZero at_zero = AtZero::keep;                     ///< of signs
  std::optional<std::uint64_t> seed = std::nullopt;  ///< of the order of asynchronous ones

  /// Neurons are updated one after another.
  [[nodiscard]] bool sweeps() const { return kind == Kind::asynchronous_sign; }

  [[nodiscard]] bool operator==(const UpdateRule&) const = default;
};

UpdateRule to_rule(const Update& update);

/// Whether products may round their operands to 11 bits, as TF32 and fp16 have them.
enum class Products : unsigned char { exact, rounded };

/// Arguments are valid: host/ has checked them.
struct Job {
  MatrixView<const float> queries;         ///< [B × D]
  MatrixView<const std::uint8_t> clamped;  ///< [B × D] or null
  detail::PatternTerms patterns = {};      ///< what the call says of them
  detail::Schedule schedule = {};
  MatrixView<float> states;  ///< [B × D]
  /// What the caller has instead. Then the queries are the states, floats to be written and read; these are scratch
  /// where states are packed, too.
  PackedQueries packed_queries = {};
  PackedStates packed_states = {};
  std::int32_t* steps = nullptr;   ///< [B] or null
  float* energies = nullptr;       ///< [B] or null
  Status* status = nullptr;        ///< [B] or null
  MatrixView<float> energy_trace;  ///< [B × max_steps] or null
  Halting halting;
  UpdateRule update;
  int max_steps = 1;
  bool wants_energy = false;  ///< energies are asked for, or halting watches them
  Products products = Products::exact;

  /// The same data and the same rules, whatever the data are by now.
  [[nodiscard]] bool operator==(const Job& other) const;

  /// The job of queries [first, first + count).
  [[nodiscard]] Job slice(Index first, Index count) const;

  /// Of all queries or those that are listed, before and after kernels that know floats only.
  void unpack(ListedRows listed, cudaStream_t stream) const { launch_unpack(packed_queries, states, listed, stream); }
  void pack(ListedRows listed, cudaStream_t stream) const { launch_pack(states, packed_states, listed, stream); }

  /// When its queries end.
  [[nodiscard]] ATTRACTOR_HOST_DEVICE detail::EndRule end() const {
    return {halting, max_steps, wants_energy, detects_cycles(), schedule.first_last()};
  }

  /// Whether a query halts where its state is that of two steps before.
  [[nodiscard]] ATTRACTOR_HOST_DEVICE bool detects_cycles() const {
    return update.kind == UpdateRule::Kind::sign && update.at_zero != AtZero::zero &&
           halting.watch == Halting::Watch::state;
  }
};

/// Queries that have been given away.
using QueryCounter = unsigned long long;  // NOLINT(google-runtime-int): as atomicAdd takes it

/// Queries that one launch takes at most: a device that also draws a screen ends launches of seconds.
inline constexpr Index launch_queries = Index{1} << 24;

/// Calls visit(part) for parts of the job, in order, of `most` queries each.
template <class Visit>
void for_each_launch(const Job& job, Index most, Visit&& visit) {
  for (Index first = 0; first < job.queries.rows; first += most)
    visit(job.slice(first, std::min(most, job.queries.rows - first)));
}

}  // namespace attractor::cuda
