// Both products of a factored memory by the matrix unit: Fx, and Fᵀp.

#if defined(ATTRACTOR_CPU_UNIT_FACTOR_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_UNIT_FACTOR_INL
#undef ATTRACTOR_CPU_UNIT_FACTOR_INL
#else
#define ATTRACTOR_CPU_UNIT_FACTOR_INL
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/cpu/engine/lanes.hpp"
#include "kernels/cpu/matrix_unit/parts-inl.hpp"
#include "kernels/cpu/simd/panel_product-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Rows, or lanes, in whole spans.
inline Index spans_of(Index count) { return (count + unit_span - 1) / unit_span; }

/// Where a row's first step is; those of a span lie unit_blocks · unit_block apart.
inline Index unit_row(Index row, Index entries) {
  return row / unit_span * steps_of(entries) * unit_blocks * unit_block + row % unit_span * unit_entries;
}

inline bool pays_by_unit(const PackedMatrix& factor) {
  const detail::Sizes& sizes = detail::sizes();
  return factor.rows() >= sizes.least_unit_factor_rows && factor.rows() <= sizes.most_unit_factor_rows &&
         factor.rows() * factor.columns() >= sizes.unit_factor;
}

inline UnitRows make_unit_rows(const PackedMatrix& factor) {
  if (!has_matrix_unit() || !pays_by_unit(factor) || !factor.suits_unit()) return {.known = true};
  const Index rows = factor.padded_rows();
  const Index columns = factor.padded_columns();
  UnitRows result{.known = true,
                  .scores = AlignedArray<std::uint16_t>(unit_row(spans_of(rows) * unit_span, columns)),
                  .readouts = AlignedArray<std::uint16_t>(unit_row(spans_of(columns) * unit_span, rows))};
  for (Index i = 0; i < rows; i += panel_rows)
    pack_rows(factor.panel(i / panel_rows), columns, result.scores.data() + unit_row(i, columns));
  for (Index k = 0; k < columns; ++k)
    pack_column(factor.panel(0) + k * panel_rows, factor.panel_size(), rows,
                result.readouts.data() + unit_row(k, rows));
  return result;
}

/// Whether kernels of this instruction set make both products by the unit.
inline bool has_unit_products(const FactoredField& field) {
  return has_matrix_unit() && field.unit_rows.scores.data() != nullptr;
}

class UnitProducts {
 public:
  explicit UnitProducts(const FactoredField& field)
      : field_(field),
        columns_(std::max(detail::sizes().unit_buffer, spans_of(most_lanes)) * column_span),
        newcomers_(field.factor.columns(), unit_rows, false),
        newcomers_scores_(result_rows(field.factor.rows()) * unit_rows) {}

  /// Rows of results, those that fill the last block included.
  [[nodiscard]] static Index result_rows(Index count) { return blocks_of(count) * unit_rows; }

  /// Fx, in rows that lie as far apart as those of the states.
  void score(const LaneRows& states, float* to) {
    multiply_rows(field_.unit_rows.scores.data(), field_.factor.rows(), states, to);
  }

  /// Fᵀp, likewise.
  void read_out(const LaneRows& weights, float* to) {
    multiply_rows(field_.unit_rows.readouts.data(), field_.factor.columns(), weights, to);
  }

  /// Queries that are scored beside a tile at a time, and so few that a step less of theirs costs less than that.
  static constexpr std::size_t most_newcomers = unit_rows;
  static constexpr std::size_t least_newcomers = 6;

  /// Fx of these.
  void score(std::span<const Arrival> newcomers) {
    std::array<Arrival, most_newcomers> side_by_side;
    for (std::size_t i = 0; i < newcomers.size(); ++i) side_by_side[i] = {static_cast<Index>(i), newcomers[i].query};
    load_lanes(std::span(side_by_side).first(newcomers.size()), newcomers_);
    newcomers_.lanes = static_cast<Index>(newcomers.size());
    score(states_of(newcomers_), newcomers_scores_.data());
  }

  /// Those of one of these for a panel of patterns.
  [[nodiscard]] PanelScores scores_of(std::size_t newcomer, Index panel) const {
    const float* const from = newcomers_scores_.data() + panel * panel_rows * unit_rows + newcomer;
    alignas(64) float column[panel_rows];
    for (Index r = 0; r < panel_rows; ++r) column[r] = from[r * unit_rows];
    PanelScores scores;
    for (std::size_t v = 0; v < PanelScores::count; ++v)
      scores.values[v] = hn::Load(PanelTag(), column + v * PanelScores::step);
    return scores;
  }

 private:
  /// Elements of a step of a span of columns.
  static constexpr Index column_span = float_parts * unit_blocks * unit_block;

  /// Values are packed a few steps at a time, so that they are in the first-level cache when they are multiplied.
  void multiply_rows(const std::uint16_t* rows, Index row_count, const LaneRows& values, float* to) {
    scales_.take(values);
    const Index steps = steps_of(values.rows);
    const Index chunk = std::max(detail::sizes().unit_buffer / spans_of(values.lanes), Index{1});
    for (Index first = 0; first < steps; first += chunk) {
      const LaneRows some = values.part(first * unit_entries, chunk * unit_entries);
      pack_columns(some, scales_.data(), columns_.data());
      multiply({.rows = rows + first * unit_blocks * unit_block,
                .columns = columns_.data(),
                .row_steps = steps,
                .steps = steps_of(some.rows),
                .row_blocks = blocks_of(row_count),
                .column_blocks = blocks_of(values.lanes),
                .to = to,
                .stride = values.width,
                .adds = first > 0});
    }
    scales_.divide(to, row_count, values.width);
  }

  const FactoredField& field_;
  LaneScales scales_;
  AlignedArray<std::uint16_t> columns_;
  Tile newcomers_;
  AlignedFloats newcomers_scores_;  ///< [P in whole blocks × unit_rows]
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
