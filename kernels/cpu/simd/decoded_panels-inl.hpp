// Panels of packed matrices as the floats that products read: where they lie, or decoded from 16 bits to where they
// stay in the first-level cache.

#if defined(ATTRACTOR_CPU_DECODED_PANELS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_DECODED_PANELS_INL
#undef ATTRACTOR_CPU_DECODED_PANELS_INL
#else
#define ATTRACTOR_CPU_DECODED_PANELS_INL
#endif

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <hwy/cache_control.h>

#include "kernels/cpu/engine/packed_matrix.hpp"
#include "kernels/cpu/simd/vector_ops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

using Halves = hn::Vec<hn::Rebind<std::uint16_t, Floats>>;

HWY_INLINE Vector from_float16(Halves bits) {
  return hn::PromoteTo(floats, hn::BitCast(hn::Rebind<hwy::float16_t, Floats>(), bits));
}

HWY_INLINE Vector from_bfloat16(Halves bits) {
  const hn::RebindToUnsigned<Floats> words;
  return hn::BitCast(floats, hn::ShiftLeft<16>(hn::PromoteTo(words, bits)));
}

/// Where decoded columns go: those of each panel `step` behind those of the one before.
struct DecodedPanels {
  float* data;
  Index step;
};

/// Decodes `columns` columns of these panels from `first` on. They fill whole vectors: two make one of AVX-512.
template <class Decode>
HWY_INLINE void decode(const PackedMatrix& matrix, std::span<const Index> panels, Index first, Index columns,
                       DecodedPanels to, const Decode& decode_bits) {
  const hn::Rebind<std::uint16_t, Floats> halves;
  const Index count = panel_rows * columns;
  for (const Index panel : panels) {
    const std::uint16_t* const from = matrix.halves() + panel * matrix.panel_size() + panel_rows * first;
    for (Index i = 0; i < count; i += vector_lanes())
      hn::Store(decode_bits(hn::Load(halves, from + i)), floats, to.data + i);
    if (const float* const centre = matrix.centre(); centre != nullptr)
      for (Index i = 0; i < count; i += vector_lanes())
        hn::Store(hn::Sub(hn::Load(floats, to.data + i), hn::Load(floats, centre + panel_rows * first + i)), floats,
                  to.data + i);
    to.data += to.step;
  }
}

HWY_NOINLINE inline void decode(const PackedMatrix& matrix, std::span<const Index> panels, Index first, Index columns,
                                DecodedPanels to) {
  if (matrix.storage() == PatternStorage::float16)
    decode(matrix, panels, first, columns, to, [](Halves bits) HWY_ATTR { return from_float16(bits); });
  else
    decode(matrix, panels, first, columns, to, [](Halves bits) HWY_ATTR { return from_bfloat16(bits); });
}

/// A few panels in a row, at a time.
class PanelWindow {
 public:
  explicit PanelWindow(const PackedMatrix& matrix)
      : matrix_(matrix), decoded_(matrix.has_floats() ? 0 : most * matrix.panel_size()) {}

  /// `count` panels, `most` at most. They stay until others are asked for.
  HWY_INLINE const float* from(Index panel, Index count) {
    if (matrix_.has_floats()) return matrix_.panel(panel);
    if (panel < first_ || panel + count > end_) move_to(panel);
    return decoded_.data() + (panel - first_) * matrix_.panel_size();
  }

 private:
  static constexpr Index most = 4;

  HWY_NOINLINE void move_to(Index panel) {
    first_ = panel;
    end_ = std::min(panel + most, matrix_.padded_rows() / panel_rows);
    prefetch(end_);
    const Index panels[most] = {panel, panel + 1, panel + 2, panel + 3};
    decode(matrix_, {panels, static_cast<std::size_t>(end_ - first_)}, 0, matrix_.padded_columns(),
           {decoded_.data(), matrix_.panel_size()});
  }

  /// Has a window on its way while the one before is used.
  void prefetch(Index panel) const {
    constexpr Index line = 64 / sizeof(std::uint16_t);
    const std::uint16_t* const from = matrix_.halves() + panel * matrix_.panel_size();
    const Index count = std::min(most, matrix_.padded_rows() / panel_rows - panel) * matrix_.panel_size();
    for (Index i = 0; i < count; i += line) hwy::Prefetch(from + i);
  }

  const PackedMatrix& matrix_;
  AlignedFloats decoded_;
  Index first_ = 0;  ///< of the panels that are decoded
  Index end_ = 0;
};

/// Some rows, a few columns at a time: where rows are spread, only what is read of their panels is decoded at once.
class RowColumns {
 public:
  /// So many rows and columns at most.
  RowColumns(const PackedMatrix& matrix, Index rows, Index columns)
      : matrix_(matrix), width_(columns), decoded_(matrix.has_floats() ? 0 : panel_rows * rows * columns) {
    panels_.reserve(static_cast<std::size_t>(rows));
  }

  void clear() { panels_.clear(); }

  /// Adds a row, not before those that are there. Returns where it starts in what `columns` returns: its elements lie 8
  /// apart.
  HWY_INLINE Index add(Index row) {
    if (matrix_.has_floats()) return matrix_.row_offset(row);
    const Index panel = row / panel_rows;
    if (panels_.empty() || panels_.back() != panel) panels_.push_back(panel);
    return (static_cast<Index>(panels_.size()) - 1) * panel_rows * width_ + row % panel_rows;
  }

  /// The columns from `first` on, as many as there are at most. They stay until others are asked for.
  HWY_INLINE const float* columns(Index first) {
    if (matrix_.has_floats()) return matrix_.data() + panel_rows * first;
    decode(matrix_, panels_, first, std::min(width_, matrix_.padded_columns() - first),
           {decoded_.data(), panel_rows * width_});
    return decoded_.data();
  }

 private:
  const PackedMatrix& matrix_;
  Index width_;
  std::vector<Index> panels_;  ///< of the rows, ascending
  AlignedFloats decoded_;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
