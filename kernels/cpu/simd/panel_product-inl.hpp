// Scores of single queries: patterns lie along the vectors. The sums are those of product-inl.hpp, bit for bit.

#if defined(ATTRACTOR_CPU_PANEL_PRODUCT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_PANEL_PRODUCT_INL
#undef ATTRACTOR_CPU_PANEL_PRODUCT_INL
#else
#define ATTRACTOR_CPU_PANEL_PRODUCT_INL
#endif

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/engine/packed_matrix.hpp"
#include "kernels/cpu/simd/product-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

using PanelTag = hn::CappedTag<float, panel_rows>;

/// The scores of one panel of patterns for one query.
struct PanelScores {
  static constexpr std::size_t step = hn::MaxLanes(PanelTag());
  static constexpr std::size_t count = panel_rows / step;

  HWY_INLINE PanelScores() {
    for (auto& value : values) value = hn::Zero(PanelTag());
  }

  /// Adds what a column of the panel and an entry of the query make.
  template <Similarity similarity>
  HWY_INLINE void add(const float* column, float x) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < count; ++v)
      values[v] = add_entries<similarity>(TaggedOps<PanelTag>{}, values[v], hn::Load(PanelTag(), column + v * step),
                                          hn::Set(PanelTag(), x));
  }

  HWY_INLINE void add(const PanelScores& other) {
    for (std::size_t v = 0; v < count; ++v) values[v] = hn::Add(values[v], other.values[v]);
  }

  HWY_INLINE void multiply(float factor) {
    for (std::size_t v = 0; v < count; ++v) values[v] = hn::Mul(values[v], hn::Set(PanelTag(), factor));
  }

  hn::Vec<PanelTag> values[count];
};

/// Adds up the scores of panels that lie `panel_step` apart for queries(i, k), the entries of query i; scores[i ·
/// panel_count + p]. Four sums at a time keep the multiply-adds from waiting for one another.
template <std::size_t query_count, std::size_t panel_count, Similarity similarity = Similarity::dot, class Queries>
HWY_INLINE void multiply_panels(const float* panels, Index panel_step, Index columns, const Queries& queries,
                                PanelScores (&scores)[query_count * panel_count]) {
  for (Index first = 0; first < columns; first += score_chunk) {
    const Index end = std::min(first + score_chunk, columns);
    PanelScores chunk[query_count * panel_count] = {};
    for (Index k = first; k < end; ++k) {
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < query_count * panel_count; ++i)
        chunk[i].template add<similarity>(panels + static_cast<Index>(i % panel_count) * panel_step + k * panel_rows,
                                          queries(i / panel_count, k));
    }
    for (std::size_t i = 0; i < query_count * panel_count; ++i) scores[i].add(chunk[i]);
  }
}

/// The same of panels that lie anywhere, for one query, whose entries lie `width` apart.
template <std::size_t count>
HWY_INLINE void multiply_listed(const float* const (&panels)[count], const float* query, Index width, Index columns,
                                PanelScores (&scores)[count]) {
  for (Index first = 0; first < columns; first += score_chunk) {
    const Index end = std::min(first + score_chunk, columns);
    PanelScores chunk[count] = {};
    for (Index k = first; k < end; ++k) {
      HWY_UNROLL(8)
      for (std::size_t p = 0; p < count; ++p)
        chunk[p].template add<Similarity::dot>(panels[p] + k * panel_rows, query[k * width]);
    }
    for (std::size_t p = 0; p < count; ++p) scores[p].add(chunk[p]);
  }
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
