// Products of a few patterns added to packed weights: the rows of a panel lie along lanes, so that each panel is read
// and written once for a few dozen patterns.

#include "kernels/cpu/pointwise/packed_sums.hpp"

#include <algorithm>
#include <exception>

#include "kernels/cpu/engine/threads.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pointwise/packed_sums.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

inline constexpr hn::CappedTag<float, panel_rows> rows_tag;

/// Patterns that are added at a time.
inline constexpr Index depth = 64;

/// The entries of some patterns at a panel's rows, times the sign.
struct PanelRows {
  PanelRows(MatrixView<const float> left, Index panel, float sign) : count(left.rows) {
    const Index first = panel * panel_rows;
    const Index width = std::min(panel_rows, left.columns - first);
    for (Index i = 0; i < count; ++i)
      for (Index r = 0; r < panel_rows; ++r) values[i * panel_rows + r] = r < width ? sign * left(i, first + r) : 0.0F;
  }

  Index count;
  alignas(64) float values[depth * panel_rows];  ///< [count × panel_rows]
};

/// sums [columns × panel_rows] += the products with so many columns of `right` from `column` on.
template <int columns>
HWY_INLINE void add_columns(const PanelRows& rows, MatrixView<const float> right, Index column, float* sums) {
  const auto lanes = static_cast<Index>(hn::Lanes(rows_tag));
  for (Index lane = 0; lane < panel_rows; lane += lanes) {
    hn::Vec<decltype(rows_tag)> block[static_cast<std::size_t>(columns)];
    for (int c = 0; c < columns; ++c) block[c] = hn::Load(rows_tag, sums + c * panel_rows + lane);
    for (Index i = 0; i < rows.count; ++i) {
      const auto row = hn::Load(rows_tag, rows.values + i * panel_rows + lane);
      const float* const entries = right.row(i) + column;
      HWY_UNROLL(8)
      for (int c = 0; c < columns; ++c) block[c] = hn::MulAdd(row, hn::Set(rows_tag, entries[c]), block[c]);
    }
    for (int c = 0; c < columns; ++c) hn::Store(block[c], rows_tag, sums + c * panel_rows + lane);
  }
}

}  // namespace

void add_to_panel(MatrixView<const float> left, MatrixView<const float> right, float sign, Index panel, float* sums) {
  constexpr int columns = 8;
  for (Index first = 0; first < left.rows; first += depth) {
    const Index count = std::min(depth, left.rows - first);
    const PanelRows rows(left.slice(first, count), panel, sign);
    const MatrixView<const float> some = right.slice(first, count);
    Index column = 0;
    for (; column + columns <= right.columns; column += columns)
      add_columns<columns>(rows, some, column, sums + column * panel_rows);
    for (; column < right.columns; ++column) add_columns<1>(rows, some, column, sums + column * panel_rows);
  }
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {
namespace {

HWY_EXPORT(add_to_panel);

/// Multiply-adds that are worth a thread: less takes no longer than waking it.
constexpr Index least_work = Index{1} << 17;

}  // namespace

void add_product(MatrixView<const float> left, MatrixView<const float> right, float sign, PackedMatrix& sums) noexcept {
  const auto add_panels = [&](Index first, Index end) {
    for (Index i = first; i < end; ++i) HWY_DYNAMIC_DISPATCH(add_to_panel)(left, right, sign, i, sums.panel(i));
  };
  const Index panels = sums.padded_rows() / panel_rows;
  const int team = team_size(0, std::min(panels, left.rows * left.columns * right.columns / least_work), 1);
  if (team == 1) return add_panels(0, panels);
  try {
    run_chunks(team, panels, 4, [&](int /*share*/, Index first, Index end) { add_panels(first, end); });
  } catch (const std::exception&) {
    add_panels(0, panels);  // There was no memory to have others help, and nothing is done yet.
  }
}

}  // namespace attractor::cpu
#endif
