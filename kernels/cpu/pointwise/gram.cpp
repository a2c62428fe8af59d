// The weights of a linear memory, FᵀF, or CᵀF: their columns lie along lanes, and of a symmetric product only what is
// on or above the diagonal is computed.

#include "kernels/cpu/pointwise/gram.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "kernels/cpu/engine/packed_matrix.hpp"
#include "kernels/cpu/engine/threads.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pointwise/gram.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/simd/product-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

/// Columns of the result that a thread computes at a time: some blocks of lanes.
inline constexpr Index strip_columns = most_lanes;

/// Some rows of F, [rows × strip_columns] of them: what one thread multiplies by all columns.
class Strip {
 public:
  explicit Strip(Index rows) : values_(rows * strip_columns) {}

  /// Adds the first `rows` rows of transposed·factor to the columns [first, end) of `sums`.
  void add(const PackedMatrix& transposed, MatrixView<const float> factor, Index rows, Index first, Index end,
           MatrixView<float> sums) {
    for (Index k = 0; k < factor.rows; ++k)
      std::copy(factor.row(k) + first, factor.row(k) + end, values_.data() + k * strip_columns);
    for (Index row = 0; row < rows; row += block_rows)
      for (Index lane = 0; lane < end - first; lane += block_lanes())
        add_block(transposed, rows, row, first, lane, end, sums);
  }

 private:
  /// What lies in the lanes past `end` is of another strip, and not looked at.
  HWY_INLINE void add_block(const PackedMatrix& transposed, Index rows, Index row, Index first, Index lane, Index end,
                            MatrixView<float> sums) {
    Block product;
    const float* const panel = transposed.panel(row / panel_rows) + row % panel_rows;
    multiply_rows(panel, values_.data() + lane, strip_columns, transposed.columns(), product);
    alignas(64) float values[most_lanes];
    for (int r = 0; r < block_rows && row + r < rows; ++r) {
      for (int v = 0; v < block_vectors; ++v) hn::Store(product[r][v], floats, values + v * vector_lanes());
      float* const sum = sums.row(row + r) + first + lane;
      for (Index i = 0; i < std::min(block_lanes(), end - first - lane); ++i) sum[i] += values[i];
    }
  }

  AlignedFloats values_;
};

}  // namespace

/// sums += leftᵀ·factor; only on and above the diagonal where `symmetric`.
void add_product(MatrixView<const float> left, MatrixView<const float> factor, bool symmetric, MatrixView<float> sums) {
  const Index columns = factor.columns;
  const PackedMatrix transposed = PackedMatrix::transposed(left);
  const int team = team_size(0, columns, strip_columns);
  std::vector<std::unique_ptr<Strip>> strips;
  for (int i = 0; i < team; ++i) strips.push_back(std::make_unique<Strip>(factor.rows));
  run_chunks(team, columns, strip_columns, [&](int share, Index first, Index end) {
    const Index rows = symmetric ? end : left.columns;
    strips[static_cast<std::size_t>(share)]->add(transposed, factor, rows, first, end, sums);
  });
}

bool fuses() { return HWY_NATIVE_FMA != 0; }

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {
namespace {

/// Rows that are multiplied at a time.
constexpr Index depth = 256;

/// Copies what is above the diagonal to below it, in squares that fit the cache.
void mirror(Matrix<float>& matrix) {
  constexpr Index side = 32;
  for (Index top = 0; top < matrix.rows(); top += side)
    for (Index left = 0; left <= top; left += side)
      for (Index i = top; i < std::min(top + side, matrix.rows()); ++i)
        for (Index j = left; j < std::min(left + side, i); ++j) matrix(i, j) = matrix(j, i);
}

HWY_EXPORT(add_product);
HWY_EXPORT(fuses);

Matrix<float> product(MatrixView<const float> left, MatrixView<const float> right, bool symmetric) {
  Matrix<float> result(left.columns, right.columns);
  std::fill_n(result.data(), result.size(), 0.0F);
  for (Index first = 0; first < right.rows; first += depth) {
    const Index rows = std::min(depth, right.rows - first);
    HWY_DYNAMIC_DISPATCH(add_product)(left.slice(first, rows), right.slice(first, rows), symmetric, result.view());
  }
  return result;
}

}  // namespace

bool gram_fuses() { return HWY_DYNAMIC_DISPATCH(fuses)(); }

Matrix<float> gram(MatrixView<const float> factor) {
  Matrix<float> result = product(factor, factor, true);
  mirror(result);
  return result;
}

Matrix<float> transposed_product(MatrixView<const float> left, MatrixView<const float> right) {
  return product(left, right, false);
}

}  // namespace attractor::cpu
#endif
