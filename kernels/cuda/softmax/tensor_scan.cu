#include "kernels/cuda/softmax/tensor_scan.hpp"

#include <algorithm>
#include <array>

#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/softmax/tensor_scan_block.cuh"
#include "kernels/negligible.hpp"

namespace attractor::cuda {
namespace {

using softmax::ScanTerms;
using softmax::TensorScheme;

template <class S, ScanTerms terms, bool shifted_scores>
__global__ void __launch_bounds__(S::most_warps* warp_size)
    scan_by_tensors(SoftmaxScan scan, bool one_matrix, float cutoff) {
#if __CUDA_ARCH__ >= 800
  extern __shared__ uint4 shared[];
  softmax::TensorScanner<S, terms, shifted_scores>(scan, one_matrix, cutoff, shared).run();
#endif
}

/// A scheme as the host sees it.
struct Kernel {
  void (*functions[3])(SoftmaxScan, bool, float);  ///< by ScanTerms
  int columns;
  int warp_states;
  int most_warps;
  std::size_t (*bytes)(int warps, ScanTerms terms, bool one_matrix);
};

template <class S, bool shifted_scores>
constexpr Kernel kernel_of() {
  return {
      {scan_by_tensors<S, ScanTerms::rounded, shifted_scores>, scan_by_tensors<S, ScanTerms::one_plane, shifted_scores>,
       scan_by_tensors<S, ScanTerms::two_planes, shifted_scores>},
      S::columns,
      S::warp_states,
      S::most_warps,
      S::shared_bytes};
}

using Kernels = std::array<Kernel, 4>;

constexpr Kernels plain_kernels = {kernel_of<TensorScheme<2, 2, 4>, false>(), kernel_of<TensorScheme<4, 2, 4>, false>(),
                                   kernel_of<TensorScheme<8, 1, 4>, false>(),
                                   kernel_of<TensorScheme<16, 1, 8>, false>()};

/// What is added to scores takes the registers of half the states.
constexpr Kernels shifted_kernels = {kernel_of<TensorScheme<2, 1, 4>, true>(), kernel_of<TensorScheme<4, 1, 4>, true>(),
                                     kernel_of<TensorScheme<8, 1, 4>, true>(),
                                     kernel_of<TensorScheme<16, 1, 8>, true>()};

/// How a scan is launched.
struct Plan {
  const Kernel* kernel = nullptr;  ///< null: not at all
  ScanTerms terms = ScanTerms::two_planes;
  bool one_matrix = true;
  int warps = 0;

  [[nodiscard]] std::size_t bytes() const { return kernel->bytes(warps, terms, one_matrix); }
};

/// Fewer warps of a block leave a multiprocessor idle.
constexpr int least_warps = 2;

/// The most warps that shared memory has the place for.
int fitting_warps(const Kernel& kernel, const Plan& plan, std::size_t shared_bytes) {
  int warps = kernel.most_warps;
  while (warps > 0 && kernel.bytes(warps, plan.terms, plan.one_matrix) > shared_bytes) --warps;
  return warps;
}

ScanTerms terms_of(const SoftmaxScan& scan) {
  if (scan.products == Products::rounded) return ScanTerms::rounded;
  const bool two_planes = scan.pattern_halves.low != nullptr || scan.content_halves.low != nullptr;
  return two_planes ? ScanTerms::two_planes : ScanTerms::one_plane;
}

/// The first kernel that takes states and contents whole, else the widest, whose blocks share the contents' columns.
Plan make_plan(const SoftmaxScan& scan, std::size_t shared_bytes) {
  const HalfMatrixView& patterns = scan.pattern_halves;
  const HalfMatrixView& contents = scan.content_halves;
  Plan plan{.terms = terms_of(scan),
            .one_matrix = contents.high == patterns.high && scan.content_columns <= scan.dimension};
  if (patterns.high == nullptr || contents.high == nullptr) return plan;
  const bool shifted_scores = !scan.offsets.empty() || !scan.terms.patterns.empty();
  for (const Kernel& kernel : shifted_scores ? shifted_kernels : plain_kernels) {
    if (kernel.columns < scan.dimension) continue;
    const int warps = fitting_warps(kernel, plan, shared_bytes);
    if (warps < least_warps) continue;
    plan.kernel = &kernel;
    // No more than have states.
    plan.warps = std::min(warps, (scan.rows + kernel.warp_states - 1) / kernel.warp_states);
    if (kernel.columns >= scan.content_columns) break;
  }
  return plan;
}

}  // namespace

bool has_tensor_scan(Index dimension) { return dimension <= plain_kernels.back().columns && has_tensor_cores(); }

bool tensor_scan_fits(const SoftmaxScan& scan, std::size_t shared_bytes) {
  return has_tensor_cores() && make_plan(scan, shared_bytes).kernel != nullptr;
}

void launch_tensor_scan(const SoftmaxScan& scan, std::size_t shared_bytes, cudaStream_t stream) {
  const Plan plan = make_plan(scan, shared_bytes);
  const Kernel& kernel = *plan.kernel;
  const auto function = kernel.functions[static_cast<int>(plan.terms)];
  // The limit and not what this launch needs: another thread may launch the same kernel with more at the same time.
  check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
        "cudaFuncSetAttribute of the softmax scan's shared memory");
  const int states = plan.warps * kernel.warp_states;
  const dim3 grid(static_cast<unsigned>((scan.rows + states - 1) / states), static_cast<unsigned>(scan.splits),
                  static_cast<unsigned>((scan.content_columns + kernel.columns - 1) / kernel.columns));
  launch_kernel("softmax_scan", function, {grid, static_cast<unsigned>(plan.warps * warp_size), plan.bytes()}, stream,
                scan, plan.one_matrix, detail::softmax_cutoff(scan.pattern_count));
}

}  // namespace attractor::cuda
