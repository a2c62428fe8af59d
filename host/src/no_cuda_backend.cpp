// The CUDA backend of a build without CUDA. What needs a device is never reached: Device::cuda makes none.

#include <attractor/error.hpp>

#include "host/src/cuda_backend.hpp"

namespace attractor::detail {

namespace {

[[noreturn]] void refuse() { throw NotSupported("this build of attractor has no CUDA"); }

}  // namespace

int cuda_device_count() { return 0; }

bool has_cuda() { return false; }

std::string cuda_obstacle() { return {}; }

std::string cuda_obstacle(int /*device*/) { refuse(); }

std::string cuda_description(int /*device*/) { refuse(); }

std::string cuda_traits(int /*device*/) { refuse(); }

bool is_on_device(const Device& /*device*/, const void* /*data*/, const std::string& /*what*/) { return false; }

Matrix<float> cuda_fetch(int /*device*/, MatrixView<const float> /*matrix*/, const std::string& /*what*/) { refuse(); }

std::vector<Index> cuda_fetch(int /*device*/, std::span<const Index> /*values*/, const std::string& /*what*/) {
  refuse();
}

Matrix<float> cuda_fetch_rows(int /*device*/, MatrixView<const float> /*matrix*/, const std::vector<Index>& /*numbers*/,
                              const std::string& /*what*/) {
  refuse();
}

std::unique_ptr<PlacedMatrix> cuda_copy(int /*device*/, MatrixView<const float> /*matrix*/,
                                        const std::string& /*what*/) {
  refuse();
}

std::unique_ptr<PlacedMatrix> cuda_less(int /*device*/, MatrixView<const float> /*matrix*/, double /*value*/) {
  refuse();
}

std::unique_ptr<PlacedMatrix> cuda_less(int /*device*/, MatrixView<const float> /*matrix*/,
                                        const std::vector<float>& /*row*/) {
  refuse();
}

std::unique_ptr<PlacedMatrix> cuda_scaled_rows(int /*device*/, MatrixView<const float> /*matrix*/,
                                               const std::vector<double>& /*factors*/) {
  refuse();
}

void cuda_fetch_to(int /*device*/, MatrixView<const float> /*matrix*/, MatrixView<float> /*to*/,
                   const std::string& /*what*/) {
  refuse();
}

ColumnExtremes cuda_finite_extremes(int /*device*/, MatrixView<const float> /*matrix*/, const std::string& /*what*/) {
  refuse();
}

PatternStatistics cuda_statistics(int /*device*/, const Rows& /*patterns*/) { refuse(); }

std::vector<double> cuda_squared_norms(int /*device*/, MatrixView<const float> /*patterns*/) { refuse(); }

std::vector<double> cuda_row_sums(int /*device*/, MatrixView<const float> /*matrix*/) { refuse(); }

std::vector<double> cuda_column_sums(int /*device*/, MatrixView<const float> /*matrix*/) { refuse(); }

double cuda_largest_integer(int /*device*/, MatrixView<const float> /*factor*/) { refuse(); }

std::vector<double> cuda_squared_columns(int /*device*/, MatrixView<const float> /*factor*/) { refuse(); }

std::vector<double> cuda_gram_product(int /*device*/, MatrixView<const float> /*factor*/,
                                      const std::vector<double>& /*x*/) {
  refuse();
}

bool cuda_may_be_resident(int /*device*/, Evaluation /*evaluation*/, Index /*rows*/, Index /*columns*/) { refuse(); }

std::unique_ptr<Engine> make_cuda_engine(const Form& /*form*/, int /*device*/) { refuse(); }

void cuda_footprints(int /*device*/, const FootprintOptions& /*options*/, MatrixView<const float> /*patterns*/,
                     MatrixView<const float> /*queries*/, std::span<const FootprintPair> /*pairs*/,
                     MatrixView<float> /*results*/) {
  refuse();
}

std::unique_ptr<FitLosses> make_cuda_fit_losses(int /*device*/, const GivenPairs& /*pairs*/, Index /*groups*/) {
  refuse();
}

double cuda_total_loss(int /*device*/, const GivenPairs& /*pairs*/, const AdaptiveSimilarity& /*similarity*/,
                       SimilarityGradient* /*gradient*/) {
  refuse();
}

void relax_sharded(std::span<const Engine* const> /*replicas*/, const RelaxerOptions& /*options*/,
                   const QueryView& /*queries*/, const RelaxationView& /*results*/, const RelaxCall& /*call*/,
                   const PatternTerms& /*terms*/) {
  refuse();
}

}  // namespace attractor::detail
