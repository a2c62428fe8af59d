#include "host/src/made_rows.hpp"

#include <utility>

#include "host/src/linear_rules.hpp"
#include "host/src/softmax_rules.hpp"

namespace attractor::detail {

MatrixView<const float> MadeRows::keep(Matrix<float> rows) {
  on_host_ = std::move(rows);
  return on_host_;
}

MatrixView<const float> MadeRows::keep(std::unique_ptr<PlacedMatrix> rows) {
  placed_ = std::move(rows);
  return placed_->view();
}

MatrixView<const float> MadeRows::centred(MatrixView<const float> rows) {
  const std::vector<double> sums = cuda_device_ ? cuda_row_sums(*cuda_device_, rows) : row_sums(rows);
  const double mean = mean_entry(sums, rows.columns);
  return cuda_device_ ? keep(cuda_less(*cuda_device_, rows, mean)) : keep(less_value(rows, mean));
}

MatrixView<const float> MadeRows::faded(MatrixView<const float> rows, float decay) {
  const std::vector<double> shares = fading(rows.rows, decay);
  return cuda_device_ ? keep(cuda_scaled_rows(*cuda_device_, rows, shares)) : keep(scaled_rows(rows, shares));
}

MatrixView<const float> MadeRows::less(MatrixView<const float> rows, const std::vector<float>& row) {
  return cuda_device_ ? keep(cuda_less(*cuda_device_, rows, row)) : keep(less_centre(rows, row));
}

}  // namespace attractor::detail
