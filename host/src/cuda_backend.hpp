#pragma once

/// What the host layer asks of CUDA. A build without CUDA has no devices; it says so where it is asked for one.

#include <span>
#include <string>
#include <vector>

#include <attractor/footprint.hpp>

#include "host/src/engine.hpp"
#include "host/src/fit_loss.hpp"
#include "host/src/pattern_statistics.hpp"

namespace attractor::detail {

/// CUDA devices of this machine, whether or not this build can use them; 0 where there is no driver.
int cuda_device_count();

/// What hides this machine's CUDA devices from this build, "the NVIDIA driver …"; empty where nothing does.
std::string cuda_obstacle();

/// Why this build can't use one of them, "this build has no code for …"; empty where it can.
std::string cuda_obstacle(int device);

/// Whether the library was built with CUDA.
bool has_cuda();

/// For people: name and compute capability.
std::string cuda_description(int device);

/// What the bits of results may depend on besides the arguments: "compute capability 9.0, 132 multiprocessors, …".
std::string cuda_traits(int device);

/// Whether data are on `device`, a CUDA device, in a place of their own: the host may not be able to read them. What
/// the caller has enqueued on default streams has then been done.
///
/// @throws InvalidArgument they are on another device; `what` is their name, "patterns".
bool is_on_device(const Device& device, const void* data, const std::string& what);

/// A matrix of one's own on a CUDA device.
class PlacedMatrix {
 public:
  PlacedMatrix() = default;
  PlacedMatrix(const PlacedMatrix&) = delete;
  PlacedMatrix& operator=(const PlacedMatrix&) = delete;
  virtual ~PlacedMatrix() = default;

  [[nodiscard]] virtual MatrixView<const float> view() const = 0;
};

// Of such data, by the index of their device.

std::unique_ptr<PlacedMatrix> cuda_copy(int device, MatrixView<const float> matrix, const std::string& what);

/// Entries less one value, in double.
std::unique_ptr<PlacedMatrix> cuda_less(int device, MatrixView<const float> matrix, double value);

/// Rows less one, in float.
std::unique_ptr<PlacedMatrix> cuda_less(int device, MatrixView<const float> matrix, const std::vector<float>& row);

/// Rows times factors of their own, in double.
std::unique_ptr<PlacedMatrix> cuda_scaled_rows(int device, MatrixView<const float> matrix,
                                               const std::vector<double>& factors);

void cuda_fetch_to(int device, MatrixView<const float> matrix, MatrixView<float> to, const std::string& what);

Matrix<float> cuda_fetch(int device, MatrixView<const float> matrix, const std::string& what);
std::vector<Index> cuda_fetch(int device, std::span<const Index> values, const std::string& what);

/// The rows with these numbers.
Matrix<float> cuda_fetch_rows(int device, MatrixView<const float> matrix, const std::vector<Index>& numbers,
                              const std::string& what);

/// @throws InvalidArgument there is NaN or infinity in it.
ColumnExtremes cuda_finite_extremes(int device, MatrixView<const float> matrix, const std::string& what);

/// Of patterns on the device.
PatternStatistics cuda_statistics(int device, const Rows& patterns);

/// ‖a‖² of each pattern.
std::vector<double> cuda_squared_norms(int device, MatrixView<const float> patterns);

/// The sum of each row, and of each column.
std::vector<double> cuda_row_sums(int device, MatrixView<const float> matrix);
std::vector<double> cuda_column_sums(int device, MatrixView<const float> matrix);

double cuda_largest_integer(int device, MatrixView<const float> factor);

/// Σ_μ F_μi² [D].
std::vector<double> cuda_squared_columns(int device, MatrixView<const float> factor);

/// FᵀFx [D].
std::vector<double> cuda_gram_product(int device, MatrixView<const float> factor, const std::vector<double>& x);

/// Whether a factor of so many rows and columns, or their weights, fit the shared memory of a device, if fp16 holds the
/// entries.
bool cuda_may_be_resident(int device, Evaluation evaluation, Index rows, Index columns);

/// Relaxation shared out among the same memory on several CUDA devices.
void relax_sharded(std::span<const Engine* const> replicas, const RelaxerOptions& options, const QueryView& queries,
                   const RelaxationView& results, const RelaxCall& call, const PatternTerms& terms);

/// Row i of `results`: the footprint of pairs[i], or without pairs of query i / P and pattern i % P. Matrices are each
/// on the host or on the device.
void cuda_footprints(int device, const FootprintOptions& options, MatrixView<const float> patterns,
                     MatrixView<const float> queries, std::span<const FootprintPair> pairs, MatrixView<float> results);

/// See make_fit_losses and total_loss.
std::unique_ptr<FitLosses> make_cuda_fit_losses(int device, const GivenPairs& pairs, Index groups);
double cuda_total_loss(int device, const GivenPairs& pairs, const AdaptiveSimilarity& similarity,
                       SimilarityGradient* gradient);

}  // namespace attractor::detail
