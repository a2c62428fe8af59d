#include "host/src/cuda_backend.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "host/src/cuda_engine.hpp"
#include "host/src/linear_rules.hpp"
#include "host/src/validation.hpp"
#include "kernels/cuda/adaptive/footprint.hpp"
#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/default_streams.hpp"
#include "kernels/cuda/device/device_matrix.hpp"
#include "kernels/cuda/device/mapped_matrix.hpp"
#include "kernels/cuda/device/matrix_scan.hpp"
#include "kernels/cuda/device/pointer.hpp"
#include "kernels/cuda/device/usable.hpp"
#include "kernels/cuda/engine/recall.hpp"
#include "kernels/cuda/engine/relax.hpp"
#include "kernels/cuda/engine/retrieve.hpp"
#include "kernels/cuda/fit/cross_entropy.hpp"
#include "kernels/cuda/resident/resident.hpp"
#include "kernels/cuda/streamed/factor_scan.hpp"
#include "kernels/cuda/streamed/gram.hpp"
#include "kernels/sizes.hpp"

namespace attractor::detail {
namespace {

cuda::Tier tier(Placement placement) {
  switch (placement) {
    case Placement::automatic: return cuda::Tier::either;
    case Placement::resident: return cuda::Tier::resident;
    case Placement::streamed: break;
  }
  return cuda::Tier::streamed;
}

cuda::LinearVectors linear_vectors(const PointwiseForm& form) {
  return {.resolution = form.resolution, .thresholds = form.thresholds};
}

/// Of a factor that is there, with the bits of dense_readout.
cuda::DeviceMemory make_placed_dense(const PointwiseForm& form, int device) {
  const cuda::DeviceScope scope(device);
  const bool has_contents = !form.contents.empty();
  const cuda::DeviceMatrix contents = has_contents
                                          ? cuda::transposed_product(cuda::QuadRows(form.contents, "contents").view(),
                                                                     form.factor, "the memory's contents")
                                          : cuda::DeviceMatrix();
  const std::vector<double> sums = cuda::weighted_sum(form.factor, {form.intensity.begin(), form.intensity.end()});
  const std::vector<float> intensity(sums.begin(), sums.end());
  const std::vector<float> diagonal = has_contents ? std::vector<float>() : removed_diagonal(form);
  return cuda::DeviceMemory::dense(device, cuda::gram(form.factor, form.self_coupling, "the memory's weights"),
                                   linear_vectors(form), form.scale,
                                   {.matrix = has_contents ? contents.view() : MatrixView<const float>(),
                                    .intensity = intensity,
                                    .diagonal = diagonal});
}

cuda::DeviceMemory make_dense(const PointwiseForm& form, int device) {
  if (form.cuda_device) return make_placed_dense(form, device);
  const DenseReadout readout = dense_readout(form);
  return cuda::DeviceMemory::dense(
      device, weights(form), linear_vectors(form), form.scale, tier(form.placement),
      {.matrix = readout.contents, .intensity = readout.intensity, .diagonal = readout.diagonal});
}

cuda::DeviceMemory make_memory(const PointwiseForm& form, int device) {
  const cuda::ContentViews contents{.matrix = form.contents, .intensity = form.intensity};
  if (!std::holds_alternative<LinearSeparation>(form.separation))
    return cuda::DeviceMemory::pointwise(device, form.factor, form.resolution, form.separation, form.score_scale,
                                         form.energy_scale, contents);
  if (form.evaluation == Evaluation::dense) return make_dense(form, device);
  return cuda::DeviceMemory::factored(device, form.factor, removed_diagonal(form), linear_vectors(form), form.scale,
                                      tier(form.placement), contents);
}

cuda::DeviceMemory make_memory(const SoftmaxForm& form, int device) {
  const cuda::SoftmaxTerms terms{
      .similarity = form.similarity,
      .separation = form.separation,
      .beta = form.beta,
      .quadratic = form.quadratic,
      .potential_offset = form.potential_offset,
      .energy_offset = form.energy_offset,
      .products = form.precision == ProductPrecision::fast ? cuda::Products::rounded : cuda::Products::exact};
  return cuda::DeviceMemory::softmax(device, form.patterns, form.contents,
                                     {.centre = form.centre,
                                      .resolution = form.resolution,
                                      .scale = form.scale,
                                      .offset = form.offset,
                                      .log_prior = form.log_prior},
                                     terms);
}

cuda::DeviceMemory make_memory(const AdaptiveForm& form, int device) {
  return cuda::DeviceMemory::adaptive(device, form.patterns, form.contents, form.resolution, form.similarity);
}

class OwnMatrix final : public PlacedMatrix {
 public:
  explicit OwnMatrix(cuda::DeviceMatrix matrix) : matrix_(std::move(matrix)) {}
  [[nodiscard]] MatrixView<const float> view() const override { return matrix_.view(); }

 private:
  cuda::DeviceMatrix matrix_;
};

/// Queries are on the device for as long as this lasts; of those on the host that would take too much of it, each loss
/// has its own on the host, from where they come in batches whenever it is asked for.
class CudaFitLosses final : public FitLosses {
 public:
  CudaFitLosses(int device, const GivenPairs& pairs, Index groups)
      : device_(device), pairs_(pairs), loss_(device, pairs.patterns().view(), groups) {
    const MatrixView<const float> given = pairs.queries().view();
    if (pairs.queries().cuda_device()) {
      queries_ = given;
      return;
    }
    const cuda::DeviceScope scope(device);
    const std::size_t most = cuda::memory_capacity() / static_cast<std::size_t>(sizes().fit_query_share);
    if (cuda::bytes_of(given.rows * cuda::padded(given.columns)) > most) return;
    kept_ = cuda::DeviceMatrix(given, "queries");
    queries_ = kept_.view();
  }

  [[nodiscard]] FitLoss of(const std::vector<Index>& numbers) override {
    return queries_.empty() ? of_host_pairs(numbers) : of_placed_pairs(numbers);
  }

 private:
  // What the functions have is shared, since they must be copyable.

  [[nodiscard]] FitLoss of_placed_pairs(const std::vector<Index>& numbers) {
    const cuda::DeviceScope scope(device_);
    const std::vector<Index> origins = values_at(pairs_.origins(), numbers);
    const auto placed_numbers =
        std::make_shared<cuda::DeviceArray<Index>>(cuda::upload(std::span(numbers), "the numbers of pairs"));
    const auto placed_origins = std::make_shared<cuda::DeviceArray<Index>>(cuda::upload(std::span(origins), "origins"));
    return [this, placed_numbers, placed_origins](const AdaptiveSimilarity& similarity, SimilarityGradient* gradient) {
      return loss_(similarity,
                   {.queries = queries_,
                    .numbers = placed_numbers->data(),
                    .origins = placed_origins->data(),
                    .count = static_cast<Index>(placed_numbers->size())},
                   gradient);
    };
  }

  [[nodiscard]] FitLoss of_host_pairs(const std::vector<Index>& numbers) {
    const auto queries = std::make_shared<Matrix<float>>(select_rows(pairs_.queries().view(), numbers));
    return [this, queries, origins = values_at(pairs_.origins(), numbers)](const AdaptiveSimilarity& similarity,
                                                                           SimilarityGradient* gradient) {
      return loss_(similarity, *queries, origins, gradient);
    };
  }

  int device_;
  const GivenPairs& pairs_;
  cuda::CrossEntropy loss_;
  cuda::DeviceMatrix kept_;
  MatrixView<const float> queries_;  ///< on the device; empty: they are on the host
};

}  // namespace

CudaEngine::CudaEngine(const Form& form, int device)
    : memory_(std::visit([&](const auto& f) { return make_memory(f, device); }, form)) {}

void CudaEngine::relax(const RelaxerOptions& options, const QueryView& queries, const RelaxationView& results,
                       const RelaxCall& call, const PatternTerms& terms) const {
  const cuda::DeviceMemory* const replica = &memory_;
  cuda::relax({&replica, 1}, options, queries, results, call, terms);
}

void CudaEngine::recall(const QueryView& queries, const PatternTerms& terms, const ResultView& contents,
                        std::span<float> intensity, int /*threads*/) const {
  cuda::recall(memory_, *queries.floats(), terms, *contents.floats(), intensity);
}

void CudaEngine::retrieve(const QueryView& queries, const PatternTerms& terms, const Schedule& schedule,
                          MatrixView<Index> patterns, MatrixView<float> posteriors, int /*threads*/) const {
  cuda::retrieve(memory_, {.queries = *queries.floats(),
                           .terms = terms,
                           .schedule = schedule,
                           .patterns = patterns,
                           .posteriors = posteriors});
}

void CudaEngine::fetch_patterns(MatrixView<float> to) const {
  const cuda::DeviceScope scope(memory_.device());
  cuda::download(memory_.patterns(), to, "patterns");
}

void CudaEngine::fetch_contents(MatrixView<float> to) const {
  const cuda::DeviceScope scope(memory_.device());
  cuda::download(memory_.contents(), to, "contents");
}

int cuda_device_count() { return cuda::device_count(); }

std::string cuda_obstacle() { return cuda::driver_obstacle(); }

std::string cuda_obstacle(int device) {
  // Asked once for each kind of device, since the answer needs a context, which takes time and memory.
  static std::mutex mutex;
  static std::map<std::pair<int, int>, std::string> known;
  const std::scoped_lock lock(mutex);
  const std::pair capability{cuda::attribute(cudaDevAttrComputeCapabilityMajor, device),
                             cuda::attribute(cudaDevAttrComputeCapabilityMinor, device)};
  const auto found = known.find(capability);
  if (found != known.end()) return found->second;
  return known.emplace(capability, cuda::device_obstacle(device)).first->second;
}

bool has_cuda() { return true; }

std::string cuda_description(int device) {
  cudaDeviceProp properties = {};
  cuda::check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return std::string(properties.name) + ", compute capability " + std::to_string(properties.major) + "." +
         std::to_string(properties.minor);
}

std::string cuda_traits(int device) {
  return "compute capability " + std::to_string(cuda::attribute(cudaDevAttrComputeCapabilityMajor, device)) + "." +
         std::to_string(cuda::attribute(cudaDevAttrComputeCapabilityMinor, device)) + ", " +
         std::to_string(cuda::attribute(cudaDevAttrMultiProcessorCount, device)) + " multiprocessors, " +
         std::to_string(cuda::attribute(cudaDevAttrMaxSharedMemoryPerMultiprocessor, device)) +
         " bytes of shared memory each, " +
         std::to_string(cuda::attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device)) + " a block";
}

bool is_on_device(const Device& device, const void* data, const std::string& what) {
  if (device.kind() != Device::Kind::cuda) return false;
  const cuda::DeviceScope scope(device.index());
  if (cuda::locate(data, device.index(), what) != cuda::Location::device) return false;
  cuda::finish_default_streams(device.index());
  return true;
}

Matrix<float> cuda_fetch(int device, MatrixView<const float> matrix, const std::string& what) {
  const cuda::DeviceScope scope(device);
  Matrix<float> result(matrix.rows, matrix.columns);
  cuda::download(matrix, result, what);
  return result;
}

std::unique_ptr<PlacedMatrix> cuda_copy(int device, MatrixView<const float> matrix, const std::string& what) {
  const cuda::DeviceScope scope(device);
  return std::make_unique<OwnMatrix>(cuda::DeviceMatrix(matrix, what));
}

std::unique_ptr<PlacedMatrix> cuda_less(int device, MatrixView<const float> matrix, double value) {
  const cuda::DeviceScope scope(device);
  return std::make_unique<OwnMatrix>(cuda::less_value(matrix, value, "a centred factor"));
}

std::unique_ptr<PlacedMatrix> cuda_less(int device, MatrixView<const float> matrix, const std::vector<float>& row) {
  const cuda::DeviceScope scope(device);
  return std::make_unique<OwnMatrix>(cuda::less_row(matrix, row, "patterns less their centre"));
}

std::unique_ptr<PlacedMatrix> cuda_scaled_rows(int device, MatrixView<const float> matrix,
                                               const std::vector<double>& factors) {
  const cuda::DeviceScope scope(device);
  return std::make_unique<OwnMatrix>(cuda::scaled_rows(matrix, factors, "a faded factor"));
}

void cuda_fetch_to(int device, MatrixView<const float> matrix, MatrixView<float> to, const std::string& what) {
  const cuda::DeviceScope scope(device);
  cuda::download(matrix, to, what);
}

std::vector<Index> cuda_fetch(int device, std::span<const Index> values, const std::string& what) {
  const cuda::DeviceScope scope(device);
  const auto count = static_cast<Index>(values.size());
  std::vector<Index> result(values.size());
  const cuda::Stream stream = cuda::make_stream();
  cuda::copy_rows(MatrixView<Index>(result.data(), 1, count), {values.data(), 1, count}, cudaMemcpyDeviceToHost,
                  stream.get(), what);
  cuda::check(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize after the copy of " + what);
  return result;
}

Matrix<float> cuda_fetch_rows(int device, MatrixView<const float> matrix, const std::vector<Index>& numbers,
                              const std::string& what) {
  const cuda::DeviceScope scope(device);
  Matrix<float> result(static_cast<Index>(numbers.size()), matrix.columns);
  cuda::download_rows(matrix, numbers, result, what);
  return result;
}

ColumnExtremes cuda_finite_extremes(int device, MatrixView<const float> matrix, const std::string& what) {
  const cuda::DeviceScope scope(device);
  cuda::ColumnRange range = cuda::column_range(matrix);
  // What isn't finite is at one of its column's ends.
  const auto are_finite = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  };
  if (!are_finite(range.smallest) || !are_finite(range.largest)) {
    const cuda::Entry entry = cuda::first_not_finite(matrix).value();
    refuse_not_finite(what, entry.row, entry.column, entry.value);
  }
  return {.smallest = std::move(range.smallest), .largest = std::move(range.largest)};
}

PatternStatistics cuda_statistics(int device, const Rows& patterns) {
  const cuda::DeviceScope scope(device);
  const std::vector<double> squares = cuda::squared_norms(patterns.view());
  const auto [shortest, longest] = std::minmax_element(squares.begin(), squares.end());
  PatternStatistics statistics;
  statistics.count = patterns.view().rows;
  statistics.smallest = patterns.extremes().smallest;
  statistics.largest = patterns.extremes().largest;
  statistics.shortest_square = *shortest;
  statistics.longest_square = *longest;
  return statistics;
}

std::vector<double> cuda_squared_norms(int device, MatrixView<const float> patterns) {
  const cuda::DeviceScope scope(device);
  return cuda::squared_norms(patterns);
}

std::vector<double> cuda_row_sums(int device, MatrixView<const float> matrix) {
  const cuda::DeviceScope scope(device);
  return cuda::row_sums(matrix);
}

std::vector<double> cuda_column_sums(int device, MatrixView<const float> matrix) {
  const cuda::DeviceScope scope(device);
  return cuda::weighted_sum(matrix, std::vector<double>(cuda::elements(matrix.rows), 1.0));
}

double cuda_largest_integer(int device, MatrixView<const float> factor) {
  const cuda::DeviceScope scope(device);
  return cuda::largest_integer(factor);
}

std::vector<double> cuda_squared_columns(int device, MatrixView<const float> factor) {
  const cuda::DeviceScope scope(device);
  return cuda::squared_columns(factor);
}

std::vector<double> cuda_gram_product(int device, MatrixView<const float> factor, const std::vector<double>& x) {
  const cuda::DeviceScope scope(device);
  return cuda::gram_product(factor, x);
}

bool cuda_may_be_resident(int device, Evaluation evaluation, Index rows, Index columns) {
  const cuda::DeviceScope scope(device);
  if (evaluation == Evaluation::dense) return cuda::may_be_resident_dense(columns);
  return cuda::may_be_resident_factored(rows, columns);
}

std::unique_ptr<Engine> make_cuda_engine(const Form& form, int device) {
  return std::make_unique<CudaEngine>(form, device);
}

void cuda_footprints(int device, const FootprintOptions& options, MatrixView<const float> patterns,
                     MatrixView<const float> queries, std::span<const FootprintPair> pairs, MatrixView<float> results) {
  cuda::footprints(device, options.base, options.cumulative, patterns, queries, pairs, results);
}

std::unique_ptr<FitLosses> make_cuda_fit_losses(int device, const GivenPairs& pairs, Index groups) {
  return std::make_unique<CudaFitLosses>(device, pairs, groups);
}

double cuda_total_loss(int device, const GivenPairs& pairs, const AdaptiveSimilarity& similarity,
                       SimilarityGradient* gradient) {
  cuda::CrossEntropy loss(device, pairs.patterns().view(), similarity.groups);
  return loss(similarity, pairs.queries().view(), pairs.origins(), gradient);
}

void relax_sharded(std::span<const Engine* const> replicas, const RelaxerOptions& options, const QueryView& queries,
                   const RelaxationView& results, const RelaxCall& call, const PatternTerms& terms) {
  std::vector<const cuda::DeviceMemory*> memories;
  for (const Engine* const engine : replicas)
    memories.push_back(&static_cast<const CudaEngine*>(engine)->memory());  // NOLINT: every replica is on CUDA
  cuda::relax(memories, options, queries, results, call, terms);
}

}  // namespace attractor::detail
