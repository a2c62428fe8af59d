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

std::optional<Matrix<float>> fetch(const Device& /*device*/, MatrixView<const float> /*matrix*/,
                                   const std::string& /*what*/) {
  return std::nullopt;
}

std::unique_ptr<Engine> make_cuda_engine(const Form& /*form*/, int /*device*/) { refuse(); }

void cuda_footprints(int /*device*/, const FootprintOptions& /*options*/, MatrixView<const float> /*patterns*/,
                     MatrixView<const float> /*queries*/, std::span<const FootprintPair> /*pairs*/,
                     MatrixView<float> /*results*/) {
  refuse();
}

FitLoss make_cuda_fit_loss(int /*device*/, MatrixView<const float> /*patterns*/, Index /*groups*/) { refuse(); }

void relax_sharded(std::span<const Engine* const> /*replicas*/, const RelaxerOptions& /*options*/,
                   const QueryView& /*queries*/, const RelaxationView& /*results*/, const RelaxCall& /*call*/,
                   const PatternTerms& /*terms*/) {
  refuse();
}

}  // namespace attractor::detail
