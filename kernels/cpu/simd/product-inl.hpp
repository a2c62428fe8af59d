// The two matrix products of a step, over one register block: scores Mx and readouts Mᵀp.
//
// Each output is summed in an order that depends on the inner index alone, whatever the block, the tile or the vector
// length: this is what makes results independent of the batch.

#if defined(ATTRACTOR_CPU_PRODUCT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_PRODUCT_INL
#undef ATTRACTOR_CPU_PRODUCT_INL
#else
#define ATTRACTOR_CPU_PRODUCT_INL
#endif

#include <cstddef>

#include "kernels/cpu/simd/vector_ops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Products summed in one chain, see multiply_rows.
inline constexpr Index score_chunk = 64;

template <std::size_t vectors>
HWY_INLINE void clear(Vector (&block)[block_rows][vectors]) {
  for (auto& row : block)
    for (Vector& value : row) value = hn::Zero(floats);
}

/// Rows lie `width` apart.
template <std::size_t vectors>
HWY_INLINE void load_block(const float* from, Index width, Vector (&block)[block_rows][vectors]) {
  for (int r = 0; r < block_rows; ++r)
    for (std::size_t v = 0; v < vectors; ++v)
      block[r][v] = hn::Load(floats, from + r * width + static_cast<Index>(v) * vector_lanes());
}

template <std::size_t vectors>
HWY_INLINE void store_block(const Vector (&block)[block_rows][vectors], float* to, Index width) {
  for (int r = 0; r < block_rows; ++r)
    for (std::size_t v = 0; v < vectors; ++v)
      hn::Store(block[r][v], floats, to + r * width + static_cast<Index>(v) * vector_lanes());
}

/// block[r][v] += matrix[r · row_step] · x[v], or what entries add to another similarity.
template <int row_step, Similarity similarity = Similarity::dot, std::size_t vectors>
HWY_INLINE void multiply_add(const float* HWY_RESTRICT matrix, const float* HWY_RESTRICT x,
                             Vector (&block)[block_rows][vectors]) {
  Vector values[vectors];
  HWY_UNROLL(block_vectors)
  for (std::size_t v = 0; v < vectors; ++v) values[v] = hn::Load(floats, x + static_cast<Index>(v) * vector_lanes());
  HWY_UNROLL(block_rows)
  for (int r = 0; r < block_rows; ++r) {
    const Vector element = hn::Set(floats, matrix[Index{r} * row_step]);
    HWY_UNROLL(block_vectors)
    for (std::size_t v = 0; v < vectors; ++v)
      block[r][v] = add_entries<similarity>(VectorOps{}, block[r][v], element, values[v]);
  }
}

/// Goes on with one chain of products for each score.
template <Similarity similarity, std::size_t vectors>
HWY_INLINE void add_chunk(const float* HWY_RESTRICT panel, const float* HWY_RESTRICT x, Index width, Index count,
                          Vector (&block)[block_rows][vectors]) {
  for (Index k = 0; k < count; ++k) multiply_add<1, similarity>(panel + k * panel_rows, x + k * width, block);
}

/// Adds the scores of block_rows rows, starting at `panel`, for the lanes at `x` [count rows, `width` apart].
///
/// Sums of `score_chunk` products are added up: short chains keep the error of a long score, and with it the noise of
/// the energy, several times below that of one chain.
template <Similarity similarity = Similarity::dot, std::size_t vectors>
HWY_INLINE void add_rows(const float* HWY_RESTRICT panel, const float* HWY_RESTRICT x, Index width, Index count,
                         Vector (&block)[block_rows][vectors]) {
  for (Index first = 0; first < count; first += score_chunk) {
    const Index end = HWY_MIN(first + score_chunk, count);
    Vector chunk[block_rows][vectors];
    clear(chunk);
    add_chunk<similarity>(panel + first * panel_rows, x + first * width, width, end - first, chunk);
    for (int r = 0; r < block_rows; ++r)
      for (std::size_t v = 0; v < vectors; ++v) block[r][v] = hn::Add(block[r][v], chunk[r][v]);
  }
}

/// The scores themselves: the first chunk, with which sums begin, and the others.
template <Similarity similarity = Similarity::dot, std::size_t vectors>
HWY_INLINE void multiply_rows(const float* HWY_RESTRICT panel, const float* HWY_RESTRICT x, Index width, Index count,
                              Vector (&block)[block_rows][vectors]) {
  clear(block);
  const Index first = HWY_MIN(score_chunk, count);
  add_chunk<similarity>(panel, x, width, first, block);
  if (count > first) add_rows<similarity>(panel + first * panel_rows, x + first * width, width, count - first, block);
}

/// Adds the readouts Σ p a of block_rows neurons over `count` rows of a memory to `block`: `panel` points at the
/// neurons' first element in a panel's first row, panels lie `panel_step` apart, weights [count] `width`.
template <std::size_t vectors>
HWY_INLINE void multiply_columns(const float* HWY_RESTRICT panel, Index panel_step, const float* HWY_RESTRICT weights,
                                 Index width, Index count, Vector (&block)[block_rows][vectors]) {
  for (; count >= panel_rows; count -= panel_rows, panel += panel_step, weights += panel_rows * width) {
    HWY_UNROLL(8)
    for (Index i = 0; i < panel_rows; ++i) multiply_add<panel_rows>(panel + i, weights + i * width, block);
  }
  for (Index i = 0; i < count; ++i) multiply_add<panel_rows>(panel + i, weights + i * width, block);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
