// Timing on a CUDA device in a build without CUDA, where there is none.

#include "bench/support/options.hpp"
#include "bench/support/relaxation_timer.hpp"

namespace attractor::bench {
namespace {

[[noreturn]] void refuse() { throw UsageError("this build has no CUDA"); }

}  // namespace

struct CudaProduct::State {};

std::unique_ptr<RelaxationTimer> make_cuda_timer(const Device& /*device*/, MatrixView<const float> /*queries*/) {
  refuse();
}

CudaProduct::CudaProduct(const Device& /*device*/, Index /*rows*/, Index /*columns*/, Index /*inner*/) { refuse(); }
CudaProduct::~CudaProduct() = default;
CudaProduct::CudaProduct(CudaProduct&& other) noexcept = default;
CudaProduct& CudaProduct::operator=(CudaProduct&& other) noexcept = default;
double CudaProduct::seconds() { refuse(); }

}  // namespace attractor::bench
