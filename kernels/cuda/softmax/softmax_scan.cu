// Chooses how blocks share the scan's work, and launches it.

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include <attractor/error.hpp>

#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/softmax/softmax_scan.hpp"
#include "kernels/cuda/softmax/softmax_scan_block.cuh"
#include "kernels/cuda/softmax/tensor_scan.hpp"
#include "kernels/negligible.hpp"

namespace attractor::cuda {
namespace {

using softmax::Layout;
using softmax::Scheme;

template <class S>
__global__ void __launch_bounds__(S::threads) scan_patterns(SoftmaxScan scan, Layout layout, float cutoff) {
  extern __shared__ float4 shared[];
  softmax::Scanner<S>(scan, layout, cutoff, shared).run();
}

/// A scheme as the host sees it.
struct Kernel {
  void (*function)(SoftmaxScan, Layout, float);
  int states;
  int threads;
  int column_quads;
  std::size_t (*bytes)(const Layout&);
};

template <class S>
constexpr Kernel kernel_of() {
  return {scan_patterns<S>, S::states, S::threads, S::column_quads, softmax::shared_bytes<S>};
}

/// The best first. The last is for states too long for 64 of them.
constexpr std::array kernels = {kernel_of<Scheme<64, 4, 1>>(), kernel_of<Scheme<64, 4, 2>>(),
                                kernel_of<Scheme<64, 8, 2>>(), kernel_of<Scheme<32, 4, 2>>()};

bool reads_one_matrix(const SoftmaxScan& scan) {
  return scan.contents == scan.patterns && scan.content_stride == scan.pattern_stride &&
         softmax::quads_of(scan.content_columns) <= softmax::quads_of(scan.dimension);
}

Layout layout_of(const Kernel& kernel, int dimension, int content_columns, bool one_matrix) {
  Layout layout;
  layout.one_matrix = one_matrix;
  layout.pattern_quads = softmax::quads_of(dimension);
  layout.pattern_pitch = softmax::odd(layout.pattern_quads);
  layout.content_pitch = one_matrix ? layout.pattern_pitch
                                    : softmax::odd(std::min(softmax::quads_of(content_columns), kernel.column_quads));
  return layout;
}

int column_blocks(const Kernel& kernel, int content_columns) {
  return (softmax::quads_of(content_columns) + kernel.column_quads - 1) / kernel.column_quads;
}

/// The kernel with the fewest blocks of columns, since each computes the scores anew.
const Kernel& choose_kernel(const SoftmaxScan& scan, std::size_t limit) {
  const bool one_matrix = reads_one_matrix(scan);
  const Kernel* best = nullptr;
  for (const Kernel& kernel : kernels) {
    if (kernel.bytes(layout_of(kernel, scan.dimension, scan.content_columns, one_matrix)) > limit) continue;
    if (best == nullptr || column_blocks(kernel, scan.content_columns) < column_blocks(*best, scan.content_columns))
      best = &kernel;
  }
  if (best == nullptr)
    throw DeviceError("shared memory of " + std::to_string(limit) +
                          " bytes is too little for a softmax scan of dimension " + std::to_string(scan.dimension),
                      cudaErrorInvalidValue);
  return *best;
}

}  // namespace

bool softmax_scan_takes_runs(Index pattern_count, int splits, Index run_patterns) {
  const Index tiles = (pattern_count + softmax::tile_patterns - 1) / softmax::tile_patterns;
  return (tiles + splits - 1) / splits * softmax::tile_patterns > run_patterns;
}

bool softmax_scan_fits(int dimension) {
  const std::size_t limit = shared_memory_limit();
  return std::any_of(kernels.begin(), kernels.end(), [&](const Kernel& kernel) {
    const int most_columns = 4 * kernel.column_quads;
    return kernel.bytes(layout_of(kernel, dimension, most_columns, true)) <= limit &&
           kernel.bytes(layout_of(kernel, dimension, most_columns, false)) <= limit;
  });
}

void launch_softmax_scan(const SoftmaxScan& scan, cudaStream_t stream) {
  if (scan.rows == 0) return;
  const std::size_t limit = shared_memory_limit();
  if (tensor_scan_fits(scan, limit)) return launch_tensor_scan(scan, limit, stream);
  const Kernel& kernel = choose_kernel(scan, limit);
  const Layout layout = layout_of(kernel, scan.dimension, scan.content_columns, reads_one_matrix(scan));
  const auto bytes = kernel.bytes(layout);
  // The limit and not what this launch needs: another thread may launch the same kernel with more at the same time.
  check(cudaFuncSetAttribute(kernel.function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(limit)),
        "cudaFuncSetAttribute of the softmax scan's shared memory");
  const dim3 grid(static_cast<unsigned>((scan.rows + kernel.states - 1) / kernel.states),
                  static_cast<unsigned>(scan.splits),
                  static_cast<unsigned>(column_blocks(kernel, scan.content_columns)));
  launch_kernel("softmax_scan", kernel.function, {grid, static_cast<unsigned>(kernel.threads), bytes}, stream, scan,
                layout, detail::softmax_cutoff(scan.pattern_count));
}

}  // namespace attractor::cuda
