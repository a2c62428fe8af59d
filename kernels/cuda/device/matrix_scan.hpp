#pragma once

/// What is asked once of all entries of a matrix that lies on the current device and is complete. Each returns when it
/// has its answer, whose bits are those that the host finds.

#include <optional>
#include <vector>

#include <attractor/matrix_view.hpp>

namespace attractor::cuda {

struct Entry {
  Index row;
  Index column;
  float value;
};

/// The first one, row by row, that is NaN or infinite.
std::optional<Entry> first_not_finite(MatrixView<const float> matrix);

/// The smallest and the largest entries of columns [D]; NaN is smaller or larger than all others, by its sign.
struct ColumnRange {
  std::vector<float> smallest;
  std::vector<float> largest;
};
ColumnRange column_range(MatrixView<const float> matrix);

/// The largest magnitudes of rows [P]; of a row with NaN, NaN.
std::vector<float> row_magnitudes(MatrixView<const float> matrix);

/// ‖row‖² [P], entry by entry in double.
std::vector<double> squared_norms(MatrixView<const float> matrix);

/// The sums of rows [P], likewise.
std::vector<double> row_sums(MatrixView<const float> matrix);

}  // namespace attractor::cuda
