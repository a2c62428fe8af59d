#pragma once

/// What the tile scheduler asks of a memory. One object per thread; it owns the scratch of a tile of its width.

#include <memory>
#include <span>

#include <attractor/update.hpp>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/cpu/engine/lanes.hpp"
#include "kernels/cpu/engine/tile.hpp"

namespace attractor::cpu {

/// What a kernel takes on.
struct KernelSize {
  Index width;     ///< lanes of its tiles
  int shares = 1;  ///< threads that share the patterns, where a memory's kernel can have them do so
};

class FieldKernel {
 public:
  FieldKernel() = default;
  FieldKernel(const FieldKernel&) = delete;
  FieldKernel& operator=(const FieldKernel&) = delete;
  FieldKernel(FieldKernel&&) = delete;
  FieldKernel& operator=(FieldKernel&&) = delete;
  virtual ~FieldKernel() = default;

  /// Takes the scores or the field of every lane's state and, if wanted, its energy.
  virtual void evaluate(Tile& tile) = 0;

  /// Moves every evaluated lane that isn't held one step: x ← g(x, u(x)).
  virtual void advance(Tile& tile) = 0;

  /// Evaluates only these lanes, with the bits that `evaluate` would give. False: not worth it here, hold them until
  /// the next evaluation.
  virtual bool prepare(Tile& tile, std::span<const Arrival> arrivals) = 0;

  // Where states are: in the tile, unless a kernel knows better.

  /// Takes queries into their lanes; magnitudes and clamps are there.
  virtual void load(Tile& tile, std::span<const Arrival> arrivals) { load_lanes(arrivals, tile); }

  /// Takes states out of their lanes.
  virtual void store(Tile& tile, std::span<const Departure> departures) {
    store_lanes(departures, tile.state.data(), tile.dimension, tile.width);
  }

  /// Copies a state, and the one before where that is kept, to an idle lane. Between an advance and the next
  /// evaluation.
  virtual void move(Tile& tile, Index from, Index to) {
    copy_lane(tile.column(from), tile.column(to), tile.rows, tile.width);
    if (tile.wants_return) copy_lane(tile.earlier.data() + from, tile.earlier.data() + to, tile.rows, tile.width);
  }

  /// Of each lane that has been evaluated, something that grows with the number of patterns that have weight: lanes
  /// that are alike in it cost less next to each other, where the tile holds all that a kernel knows of them. Null:
  /// they don't.
  [[nodiscard]] virtual const LaneArray<double>* spread() const { return nullptr; }

  /// Whether waiting queries are to enter now, where so many are in flight of at most `room`.
  [[nodiscard]] virtual bool takes_more(Index /*in_flight*/, Index /*room*/) const { return true; }
};

std::unique_ptr<FieldKernel> make_kernel(const EmptyField& field, const Update& update, const KernelSize& size);
std::unique_ptr<FieldKernel> make_kernel(const FactoredField& field, const Update& update, const KernelSize& size);
std::unique_ptr<FieldKernel> make_kernel(const DenseField& field, const Update& update, const KernelSize& size);
std::unique_ptr<FieldKernel> make_kernel(const SoftmaxField& field, const Update& update, const KernelSize& size);
std::unique_ptr<FieldKernel> make_kernel(const AdaptiveField& field, const Update& update, const KernelSize& size);

/// What a tile's states read out, valid until the kernel's next call.
struct LaneReadout {
  const float* contents;                        ///< Cᵀp [padded M × width]
  const LaneArray<float>* intensity = nullptr;  ///< Σp of pointwise memories
};

/// Reads contents out. One object per thread.
class RecallKernel {
 public:
  RecallKernel() = default;
  RecallKernel(const RecallKernel&) = delete;
  RecallKernel& operator=(const RecallKernel&) = delete;
  RecallKernel(RecallKernel&&) = delete;
  RecallKernel& operator=(RecallKernel&&) = delete;
  virtual ~RecallKernel() = default;

  virtual LaneReadout recall(const Tile& tile) = 0;
};

std::unique_ptr<RecallKernel> make_recall_kernel(const EmptyField& field, const Readout& readout,
                                                 const KernelSize& size);
std::unique_ptr<RecallKernel> make_recall_kernel(const FactoredField& field, const Readout& readout,
                                                 const KernelSize& size);
std::unique_ptr<RecallKernel> make_recall_kernel(const DenseField& field, const Readout& readout,
                                                 const KernelSize& size);
std::unique_ptr<RecallKernel> make_recall_kernel(const SoftmaxField& field, const Readout& readout,
                                                 const KernelSize& size);
std::unique_ptr<RecallKernel> make_recall_kernel(const AdaptiveField& field, const Readout& readout,
                                                 const KernelSize& size);

}  // namespace attractor::cpu
