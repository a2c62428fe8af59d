#include "tests/cuda/support_data.hpp"

#include <cstdlib>
#include <ostream>

#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

Matrix<float> kind_patterns() {
  Rng rng(70);
  return random_bipolar(4, kind_dimension, rng);
}

/// Neither as wide as the states nor a multiple of four.
Matrix<float> kind_contents() {
  Rng rng(71);
  return random_gaussian(4, 5, rng);
}

CudaKind linear_kind(const std::string& name, const HebbianOptions& options, bool has_contents) {
  return {.name = name, .memory = [=](const Device& device) {
            HebbianOptions own = options;
            const Matrix<float> contents = kind_contents();
            if (has_contents) own.contents = contents;
            return Memory::hebbian(device, kind_patterns(), own);
          }};
}

CudaKind dense_associative_kind() {
  return {.name = "dense_associative", .memory = [](const Device& device) {
            return Memory::dense_associative(device, kind_patterns(), {.order = 4, .contents = kind_contents()});
          }};
}

CudaKind softmax_kind() {
  return {.name = "softmax", .normalised = true, .memory = [](const Device& device) {
            return Memory::modern_hopfield(device, kind_patterns(), {.beta = 0.25F, .contents = kind_contents()});
          }};
}

/// Weights and a prior for each pattern.
CudaKind adaptive_kind() {
  return {.name = "adaptive", .normalised = true, .memory = [](const Device& device) {
            Rng rng(73);
            const Matrix<float> weights = random_gaussian(4, kind_dimension, rng);
            return Memory::adaptive(device, kind_patterns(),
                                    {.squared_distance = {weights.data(), weights.data() + weights.size()},
                                     .dot = std::vector<float>(static_cast<std::size_t>(kind_dimension), 0.5F),
                                     .beta_squared_distance = 0.05F,
                                     .beta_dot = 0.2F,
                                     .log_prior = {0.1F, -0.2F, 0.3F, 0.0F}},
                                    {.contents = kind_contents()});
          }};
}

template <class T>
std::vector<T> vector_of(const PlacedRows<T>& rows) {
  if (rows.view().data == nullptr) return {};
  const Matrix<T> values = rows.read();
  return {values.data(), values.data() + values.size()};
}

Matrix<float> matrix_of(const PlacedRows<float>& rows) {
  return rows.view().data == nullptr ? Matrix<float>() : rows.read();
}

}  // namespace

std::string to_string(Place place) {
  switch (place) {
    case Place::pageable: return "pageable";
    case Place::pinned: return "pinned";
    case Place::device: return "device";
    case Place::managed: break;
  }
  return "managed";
}

std::shared_ptr<void> allocate(Place place, std::size_t bytes) {
  void* data = nullptr;
  const auto owned = [&](auto release) { return std::shared_ptr<void>(data, release); };
  switch (place) {
    case Place::pageable: data = std::malloc(bytes); return owned(std::free);  // NOLINT: freed by what is returned
    case Place::pinned: cuda::check(cudaMallocHost(&data, bytes), "cudaMallocHost"); return owned(cudaFreeHost);
    case Place::device: cuda::check(cudaMalloc(&data, bytes), "cudaMalloc"); return owned(cudaFree);
    case Place::managed: break;
  }
  cuda::check(cudaMallocManaged(&data, bytes), "cudaMallocManaged");
  return owned(cudaFree);
}

PlacedResults::PlacedResults(const std::vector<Place>& places, const Relaxation& like, Spread spread) {
  std::size_t part = 0;
  const auto next_place = [&] { return places[part++ % places.size()]; };
  const auto rows = static_cast<Index>(like.steps.size());
  const Spread offset_only{.gap = 0, .offset = spread.offset};
  states_ = {next_place(), rows, like.states.columns(), spread};
  steps_ = {next_place(), rows, 1, offset_only};
  status_ = {next_place(), rows, 1, offset_only};
  if (!like.energies.empty()) energies_ = {next_place(), rows, 1, offset_only};
  if (!like.energy_trace.empty()) energy_trace_ = {next_place(), rows, like.energy_trace.columns(), spread};
  if (!like.contents.empty()) contents_ = {next_place(), rows, like.contents.columns(), spread};
}

RelaxationView PlacedResults::view() const {
  return {.states = states_.view(),
          .steps = steps_.column(),
          .energies = energies_.column(),
          .status = status_.column(),
          .energy_trace = energy_trace_.view(),
          .contents = contents_.view()};
}

Relaxation PlacedResults::read() const {
  return {.states = states_.read(),
          .steps = vector_of(steps_),
          .energies = vector_of(energies_),
          .status = vector_of(status_),
          .energy_trace = matrix_of(energy_trace_),
          .contents = matrix_of(contents_)};
}

bool PlacedResults::margins_are_untouched() const {
  return states_.margins_are_untouched() && steps_.margins_are_untouched() && energies_.margins_are_untouched() &&
         status_.margins_are_untouched() && energy_trace_.margins_are_untouched() && contents_.margins_are_untouched();
}

const std::vector<CudaKind>& cuda_kinds() {
  static const std::vector<CudaKind> kinds = {
      linear_kind("resident_factored", {.evaluation = Evaluation::factored, .placement = Placement::resident}, true),
      linear_kind("resident_dense", {.evaluation = Evaluation::dense, .placement = Placement::resident}, true),
      linear_kind("streamed_factored", {.evaluation = Evaluation::factored, .placement = Placement::streamed}, false),
      linear_kind("streamed_dense", {.evaluation = Evaluation::dense, .placement = Placement::streamed}, true),
      dense_associative_kind(),
      softmax_kind(),
      adaptive_kind(),
  };
  return kinds;
}

std::ostream& operator<<(std::ostream& out, const CudaKind& kind) { return out << kind.name; }

detail::Sizes no_resident_floats() {
  detail::Sizes sizes = detail::sizes();
  sizes.float_bytes = 0;
  return sizes;
}

CudaKind partly_resident_kind() {
  return {.name = "partly_resident", .memory = [](const Device& device) {
            const SizesScope scope(no_resident_floats());
            return Memory::hebbian(device, kind_patterns(),
                                   {.evaluation = Evaluation::factored, .contents = kind_contents()});
          }};
}

Matrix<float> kind_queries(Index count) {
  Rng rng(72);
  return flipped_copies(kind_patterns(), count, 0.3, rng);
}

}  // namespace attractor::test
