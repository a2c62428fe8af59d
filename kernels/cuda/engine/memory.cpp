#include "kernels/cuda/engine/memory.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <attractor/error.hpp>

#include "kernels/cuda/device/capacity.hpp"
#include "kernels/log_prior.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

[[noreturn]] void refuse_residence(int device, MatrixView<const float> matrix, const std::string& reason) {
  throw NotSupported("a linear memory of " + std::to_string(matrix.rows) + " × " + std::to_string(matrix.columns) +
                     " doesn't fit the shared memory of CUDA device " + std::to_string(device) + ": " + reason +
                     "; use streamed placement");
}

/// The tier of a memory with thresholds is streamed: resident kernels have no registers left for them. The host asks
/// for no other.
Tier tier_for(std::span<const float> thresholds, Tier tier) { return thresholds.empty() ? tier : Tier::streamed; }

DeviceArray<float> upload_thresholds(std::span<const float> thresholds, const DeviceMatrix& rows) {
  if (thresholds.empty()) return {};
  return upload_neurons(thresholds, rows, "the memory's thresholds");
}

DeviceContents upload_contents(const ContentViews& contents, const DeviceMatrix& rows, bool dense) {
  const auto count = static_cast<Index>(contents.intensity.size());
  const MatrixView<const float> intensity(contents.intensity.data(), dense ? 1 : count, dense ? count : 1);
  return {.matrix = DeviceMatrix(contents.matrix, "the memory's contents"),
          .intensity = DeviceMatrix(count > 0 ? intensity : MatrixView<const float>(), "the memory's sums of weights"),
          .diagonal = contents.diagonal.empty()
                          ? DeviceArray<float>()
                          : upload_neurons(contents.diagonal, rows, "the diagonal of the memory's weights")};
}

/// For the products of linear memories, but those that shared memory does for all updates, or that are small.
HalfMatrix halves_of(const DeviceMatrix& matrix, const std::optional<ResidentMemory>& resident,
                     const std::string& purpose) {
  const bool is_small = matrix.columns < detail::sizes().tensor_columns;
  const bool is_needed = !resident || !resident->floats;
  return is_needed && !is_small && has_tensor_cores() ? HalfMatrix(matrix, purpose) : HalfMatrix();
}

/// For scores that are dot products.
HalfMatrix halves_of(const DeviceMatrix& matrix, const SoftmaxTerms& terms, const std::string& purpose) {
  const bool by_products =
      terms.similarity == Similarity::dot && std::holds_alternative<SoftmaxSeparation>(terms.separation);
  return by_products && has_tensor_cores() ? HalfMatrix(matrix, purpose) : HalfMatrix();
}

/// What fields of rounded products can't be told from 0: weights and patterns are rounded to 11 bits each, which makes
/// it 2⁻¹⁰ of the largest entry where it is 2⁻²¹ for floats.
std::vector<float> rounded_resolution(std::span<const float> resolution) {
  constexpr float ratio = 0x1.01p11F;
  std::vector<float> result(resolution.size());
  std::transform(resolution.begin(), resolution.end(), result.begin(), [](float value) { return ratio * value; });
  return result;
}

StreamedDense make_streamed(DeviceMatrix weights, const LinearVectors& vectors, float scale,
                            const ContentViews& contents, const std::optional<ResidentMemory>& resident) {
  HalfMatrix halves = halves_of(weights, resident, "the memory's weights in halves");
  DeviceArray<float> resolutions = upload_neurons(vectors.resolution, weights, "the memory's resolution");
  DeviceArray<float> thresholds = upload_thresholds(vectors.thresholds, weights);
  DeviceContents read_out = upload_contents(contents, weights, true);
  return {.weights = std::move(weights),
          .weight_halves = std::move(halves),
          .resolution = std::move(resolutions),
          .thresholds = std::move(thresholds),
          .scale = scale,
          .contents = std::move(read_out)};
}

/// Scratch for contents at the end of a relaxation of a pointwise memory.
template <class Pointwise>
std::size_t final_recall_bytes(const Pointwise& memory, Index queries) {
  return memory.contents.matrix.rows > 0 ? recall_workspace_bytes(memory, queries) : 0;
}
std::size_t final_recall_bytes(const StreamedSoftmax& /*memory*/, Index /*queries*/) { return 0; }
std::size_t final_recall_bytes(const StreamedAdaptive& /*memory*/, Index /*queries*/) { return 0; }

}  // namespace

struct DeviceMemory::Patterns {
  MatrixView<const float> operator()(const Resident& form) const { return std::visit(*this, form.streamed); }
  MatrixView<const float> operator()(const StreamedFactored& memory) const { return memory.factor.view(); }
  MatrixView<const float> operator()(const StreamedDense& memory) const { return memory.weights.view(); }
  template <class Streamed>
  MatrixView<const float> operator()(const Streamed& memory) const {
    return memory.patterns.view();
  }
};

struct DeviceMemory::Contents {
  MatrixView<const float> operator()(const Resident& form) const { return std::visit(*this, form.streamed); }
  MatrixView<const float> operator()(const StreamedSoftmax& memory) const { return memory.contents.view(); }
  MatrixView<const float> operator()(const StreamedAdaptive& memory) const { return memory.contents.view(); }
  template <class Pointwise>
  MatrixView<const float> operator()(const Pointwise& memory) const {
    return memory.contents.matrix.view();
  }
};

struct DeviceMemory::WorkspaceBytes {
  Index queries;
  const UpdateRule& update;
  std::size_t operator()(const Resident& form) const {
    if (!takes_update(form.memory, update)) return std::visit(*this, form.streamed);
    const auto recall_bytes = [&](const auto& memory) { return final_recall_bytes(memory, queries); };
    return std::max(resident_workspace_bytes(form.memory, queries), std::visit(recall_bytes, form.streamed));
  }
  template <class Streamed>
  std::size_t operator()(const Streamed& memory) const {
    return std::max(cuda::workspace_bytes(memory, queries), final_recall_bytes(memory, queries));
  }
};

/// Those with normalised weights use what relaxing does.
struct DeviceMemory::RecallBytes {
  Index states;
  std::size_t operator()(const Resident& form) const { return std::visit(*this, form.streamed); }
  std::size_t operator()(const StreamedSoftmax& memory) const { return cuda::workspace_bytes(memory, states); }
  std::size_t operator()(const StreamedAdaptive& memory) const { return cuda::workspace_bytes(memory, states); }
  template <class Pointwise>
  std::size_t operator()(const Pointwise& memory) const {
    return cuda::recall_workspace_bytes(memory, states);
  }
};

struct DeviceMemory::Relax {
  const Job& job;
  void* workspace;
  ToolboxPool& tools;
  Driver driver;
  cudaStream_t stream;

  void operator()(const Resident& form) const { std::visit(*this, form.streamed); }
  template <class Streamed>
  void operator()(const Streamed& memory) const {
    const ToolboxPool::Loan loan = tools.take();
    cuda::relax(memory, job, workspace, *loan, driver, stream);
  }
};

struct DeviceMemory::SweepBytes {
  Index queries;
  std::size_t operator()(const Resident& form) const { return std::visit(*this, form.streamed); }
  // The host asks for no sweeps on these.
  std::size_t operator()(const StreamedSoftmax& /*memory*/) const { return 0; }
  std::size_t operator()(const StreamedAdaptive& /*memory*/) const { return 0; }
  template <class Swept>
  std::size_t operator()(const Swept& memory) const {
    return std::max(sweep_workspace_bytes(memory, queries), final_recall_bytes(memory, queries));
  }
};

struct DeviceMemory::Sweep {
  const Job& job;
  void* workspace;
  ToolboxPool& tools;
  Driver driver;
  cudaStream_t stream;

  void operator()(const Resident& form) const { std::visit(*this, form.streamed); }
  void operator()(const StreamedSoftmax& /*memory*/) const {}
  void operator()(const StreamedAdaptive& /*memory*/) const {}
  template <class Swept>
  void operator()(const Swept& memory) const {
    const ToolboxPool::Loan loan = tools.take();
    relax_by_sweeps(memory, job, workspace, *loan, driver, stream);
  }
};

struct DeviceMemory::Recall {
  MatrixView<const float> states;
  const RowTerms& terms;
  MatrixView<float> contents;
  float* intensity;
  void* workspace;
  ToolboxPool& tools;
  cudaStream_t stream;

  void operator()(const Resident& form) const { std::visit(*this, form.streamed); }
  void operator()(const StreamedSoftmax& memory) const { recall(memory); }
  void operator()(const StreamedAdaptive& memory) const { recall(memory); }
  template <class Pointwise>
  void operator()(const Pointwise& memory) const {
    cuda::recall(memory, states, contents, intensity, workspace, stream);
  }

 private:
  template <class Softmax>
  void recall(const Softmax& memory) const {
    const ToolboxPool::Loan loan = tools.take();
    cuda::recall(memory, states, terms, contents, workspace, *loan, stream);
  }
};

// The weights of pointwise memories are no probabilities: of them nothing is retrieved.

struct DeviceMemory::Retrieve {
  const RetrievalJob& job;
  LanePool& lanes;

  void operator()(const StreamedSoftmax& memory) const { cuda::retrieve(memory, job, lanes); }
  void operator()(const StreamedAdaptive& memory) const { cuda::retrieve(memory, job, lanes); }
  template <class Pointwise>
  void operator()(const Pointwise& /*memory*/) const {}
};

struct DeviceMemory::LaunchRetrieval {
  const RetrievalJob& job;
  void* workspace;
  cudaStream_t stream;

  void operator()(const StreamedSoftmax& memory) const { cuda::launch_retrieval(memory, job, workspace, stream); }
  void operator()(const StreamedAdaptive& memory) const { cuda::launch_retrieval(memory, job, workspace, stream); }
  template <class Pointwise>
  void operator()(const Pointwise& /*memory*/) const {}
};

struct DeviceMemory::RetrievalBytes {
  Index queries;
  Index count;

  std::size_t operator()(const StreamedSoftmax& memory) const {
    return cuda::retrieval_workspace_bytes(memory, queries, count);
  }
  std::size_t operator()(const StreamedAdaptive& memory) const {
    return cuda::retrieval_workspace_bytes(memory, queries, count);
  }
  template <class Pointwise>
  std::size_t operator()(const Pointwise& /*memory*/) const {
    return 0;
  }
};

DeviceMemory::DeviceMemory(int device, Form form)
    : device_(device),
      form_(std::move(form)),
      tools_(std::make_unique<ToolboxPool>(device)),
      lanes_(std::make_unique<LanePool>(device)) {}

DeviceMemory DeviceMemory::factored(int device, MatrixView<const float> factor, std::span<const float> diagonal,
                                    const LinearVectors& vectors, float scale, Tier tier,
                                    const ContentViews& contents) {
  tier = tier_for(vectors.thresholds, tier);
  const DeviceScope scope(device);
  std::optional<ResidentMemory> resident;
  if (tier != Tier::streamed) resident = make_resident_factored(factor, diagonal, vectors.resolution, scale);
  if (tier == Tier::resident && !resident)
    refuse_residence(device, factor, why_not_resident_factored(factor, diagonal));
  DeviceMatrix matrix(factor, "the memory's factor");
  HalfMatrix halves = halves_of(matrix, resident, "the memory's factor in halves");
  DeviceArray<float> diagonals = upload_neurons(diagonal, matrix, "the memory's diagonal");
  DeviceArray<float> resolutions = upload_neurons(vectors.resolution, matrix, "the memory's resolution");
  DeviceArray<float> thresholds = upload_thresholds(vectors.thresholds, matrix);
  DeviceContents read_out = upload_contents(contents, matrix, false);
  StreamedFactored streamed{.factor = std::move(matrix),
                            .factor_halves = std::move(halves),
                            .diagonal = std::move(diagonals),
                            .resolution = std::move(resolutions),
                            .thresholds = std::move(thresholds),
                            .scale = scale,
                            .contents = std::move(read_out)};
  if (resident) return {device, Resident{.memory = std::move(*resident), .streamed = std::move(streamed)}};
  return {device, std::move(streamed)};
}

DeviceMemory DeviceMemory::dense(int device, MatrixView<const float> weights, const LinearVectors& vectors, float scale,
                                 Tier tier, const ContentViews& contents) {
  tier = tier_for(vectors.thresholds, tier);
  const DeviceScope scope(device);
  std::optional<ResidentMemory> resident;
  if (tier != Tier::streamed) resident = make_resident_dense(weights, vectors.resolution, scale);
  if (tier == Tier::resident && !resident) refuse_residence(device, weights, why_not_resident_dense(weights));
  StreamedDense streamed =
      make_streamed(DeviceMatrix(weights, "the memory's weights"), vectors, scale, contents, resident);
  if (resident) return {device, Resident{.memory = std::move(*resident), .streamed = std::move(streamed)}};
  return {device, std::move(streamed)};
}

DeviceMemory DeviceMemory::dense(int device, DeviceMatrix weights, const LinearVectors& vectors, float scale,
                                 const ContentViews& contents) {
  const DeviceScope scope(device);
  return {device, make_streamed(std::move(weights), vectors, scale, contents, {})};
}

DeviceMemory DeviceMemory::pointwise(int device, MatrixView<const float> patterns, std::span<const float> resolution,
                                     const PointwiseSeparation& separation, float score_scale, float energy_scale,
                                     const ContentViews& contents) {
  const DeviceScope scope(device);
  DeviceMatrix matrix(patterns, "the memory's patterns");
  DeviceArray<float> resolutions = upload_neurons(resolution, matrix, "the memory's resolution");
  DeviceContents read_out = upload_contents(contents, matrix, false);
  return {device, StreamedPointwise{.patterns = std::move(matrix),
                                    .resolution = std::move(resolutions),
                                    .separation = separation,
                                    .score_scale = score_scale,
                                    .energy_scale = energy_scale,
                                    .contents = std::move(read_out)}};
}

DeviceMemory DeviceMemory::softmax(int device, MatrixView<const float> patterns, MatrixView<const float> contents,
                                   const SoftmaxVectors& vectors, const SoftmaxTerms& terms) {
  const DeviceScope scope(device);
  DeviceMatrix matrix(patterns, "the memory's patterns");
  HalfMatrix pattern_halves = halves_of(matrix, terms, "the memory's patterns in halves");
  const bool rounds = terms.products == Products::rounded && pattern_halves.data.size() > 0;
  DeviceArray<float> resolutions =
      rounds ? upload_neurons(rounded_resolution(vectors.resolution), matrix, "the memory's resolution")
             : upload_neurons(vectors.resolution, matrix, "the memory's resolution");
  // Without one the step has a vector less to read.
  DeviceArray<float> centres;
  if (std::any_of(vectors.centre.begin(), vectors.centre.end(), [](float value) { return value != 0.0F; }))
    centres = upload_neurons(vectors.centre, matrix, "the memory's centre");
  DeviceMatrix content_matrix(contents, "the memory's contents");
  HalfMatrix content_halves = halves_of(content_matrix, terms, "the memory's contents in halves");
  return {device, StreamedSoftmax{.patterns = std::move(matrix),
                                  .scale = upload(vectors.scale, "the memory's scales of scores"),
                                  .offset = upload(vectors.offset, "the memory's offsets of scores"),
                                  .log_prior = upload(vectors.log_prior, "the memory's log-priors"),
                                  .contents = std::move(content_matrix),
                                  .pattern_halves = std::move(pattern_halves),
                                  .content_halves = std::move(content_halves),
                                  .centre = std::move(centres),
                                  .resolution = std::move(resolutions),
                                  .terms = terms}};
}

DeviceMemory DeviceMemory::adaptive(int device, MatrixView<const float> patterns, MatrixView<const float> contents,
                                    std::span<const float> resolution, const AdaptiveSimilarity& similarity) {
  check_ranks(patterns.columns, similarity.groups);
  const Index ranks = rank_count(patterns.columns, similarity.groups);
  const DeviceScope scope(device);
  const auto upload_weights = [&](const std::vector<float>& weights, float beta, const std::string& purpose) {
    return DeviceRankWeights(weights, beta, static_cast<int>(ranks), purpose);
  };
  DeviceMatrix matrix(patterns, "the memory's patterns");
  DeviceArray<float> resolutions = upload_neurons(resolution, matrix, "the memory's resolution");
  const std::vector<float> log_prior = detail::relative_log_prior(similarity.log_prior);
  DeviceLevels levels(patterns, similarity);
  return {device,
          StreamedAdaptive{
              .patterns = std::move(matrix),
              .contents = DeviceMatrix(contents, "the memory's contents"),
              .squared_distance = upload_weights(similarity.squared_distance, similarity.beta_squared_distance,
                                                 "the memory's rank weights of squared distances"),
              .dot = upload_weights(similarity.dot, similarity.beta_dot, "the memory's rank weights of products"),
              .log_prior = upload(std::span<const float>(log_prior), "the memory's log-priors"),
              .resolution = std::move(resolutions),
              .energy_offset = -detail::largest_log_prior(similarity.log_prior),
              .groups = static_cast<int>(similarity.groups),
              .levels = std::move(levels)}};
}

MatrixView<const float> DeviceMemory::patterns() const { return std::visit(Patterns{}, form_); }

MatrixView<const float> DeviceMemory::contents() const { return std::visit(Contents{}, form_); }

bool DeviceMemory::is_resident(const UpdateRule& update) const {
  const auto* const form = std::get_if<Resident>(&form_);
  return form != nullptr && !update.sweeps() && takes_update(form->memory, update);
}

std::size_t DeviceMemory::workspace_bytes(Index queries, const UpdateRule& update) const {
  return update.sweeps() ? std::visit(SweepBytes{queries}, form_) : std::visit(WorkspaceBytes{queries, update}, form_);
}

void DeviceMemory::relax(const Job& job, void* workspace, Driver driver, cudaStream_t stream) const {
  if (is_resident(job.update)) return launch_resident(std::get<Resident>(form_).memory, job, workspace, stream);
  job.unpack({}, stream);
  if (job.update.sweeps())
    std::visit(Sweep{job, workspace, *tools_, driver, stream}, form_);
  else
    std::visit(Relax{job, workspace, *tools_, driver, stream}, form_);
  job.pack({}, stream);
}

std::size_t DeviceMemory::recall_workspace_bytes(Index states) const { return std::visit(RecallBytes{states}, form_); }

void DeviceMemory::recall(MatrixView<const float> states, const RowTerms& terms, MatrixView<float> contents,
                          float* intensity, void* workspace, cudaStream_t stream) const {
  std::visit(Recall{states, terms, contents, intensity, workspace, *tools_, stream}, form_);
}

void DeviceMemory::retrieve(const RetrievalJob& job) const {
  const DeviceScope scope(device_);
  std::visit(Retrieve{job, *lanes_}, form_);
}

void DeviceMemory::launch_retrieval(const RetrievalJob& job, void* workspace, cudaStream_t stream) const {
  std::visit(LaunchRetrieval{job, workspace, stream}, form_);
}

std::size_t DeviceMemory::retrieval_workspace_bytes(Index queries, Index count) const {
  return std::visit(RetrievalBytes{queries, count}, form_);
}

}  // namespace attractor::cuda
