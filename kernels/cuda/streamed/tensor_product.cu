#include "kernels/cuda/streamed/tensor_product.hpp"

#include <array>
#include <string>

#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/error.hpp"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/streamed/tensor_product_block.cuh"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

using streamed::Form;
using streamed::ProductBlock;
using streamed::ProductScheme;

template <class S, Form form>
__global__ void __launch_bounds__(S::threads) multiply_by_tensors(TensorProduct product) {
#if __CUDA_ARCH__ >= 800
  extern __shared__ __align__(128) uint4 shared[];
  ProductBlock<S, form>(product, shared).run();
#endif
}

/// A scheme as the host sees it.
struct Kernel {
  void (*function)(TensorProduct);
  int rows;
  int columns;
  int threads;
  std::size_t shared_bytes;

  [[nodiscard]] dim3 grid(const TensorProduct& product) const {
    return {static_cast<unsigned>((product.columns + columns - 1) / columns),
            static_cast<unsigned>((product.rows + rows - 1) / rows), static_cast<unsigned>(product.parts)};
  }
};

template <class S, Form form>
constexpr Kernel kernel_of() {
  return {multiply_by_tensors<S, form>, S::rows, S::columns, S::threads, S::shared_bytes};
}

/// The largest first: the more columns a block has, the fewer read the same rows, and the other way round.
template <Form form, int left_terms, int right_terms>
constexpr std::array kernels = {kernel_of<ProductScheme<4, 4, left_terms, right_terms>, form>(),
                                kernel_of<ProductScheme<4, 1, left_terms, right_terms>, form>(),
                                kernel_of<ProductScheme<1, 1, left_terms, right_terms>, form>()};
using Kernels = std::array<Kernel, 3>;

template <Form form>
const Kernels& kernels_for(const TensorProduct& product, Products precision) {
  if (precision == Products::rounded) return kernels<form, 1, 1>;
  return product.b.low == nullptr ? kernels<form, 2, 1> : kernels<form, 2, 2>;
}

/// Whether a product keeps a device busy in blocks of this kind, few of whose columns are idle.
bool suits(const Kernel& kernel, const TensorProduct& product) {
  const dim3 grid = kernel.grid(product);
  return Index{grid.x} * grid.y * grid.z >= detail::sizes().product_blocks &&
         Index{grid.x} * kernel.columns < Index{2} * product.columns;
}

/// The first that suits, or else the smallest: bits are the same.
const Kernel& choose(const Kernels& kernels, const TensorProduct& product, std::size_t shared_bytes) {
  for (const Kernel& kernel : kernels)
    if (kernel.shared_bytes <= shared_bytes && suits(kernel, product)) return kernel;
  return kernels.back();
}

constexpr int add_threads = 128;

__global__ void __launch_bounds__(add_threads) add_parts_kernel(TensorProduct product) {
  const Index size = Index{product.rows} * product.result_stride;
  const Index at = 4 * (Index{blockIdx.x} * add_threads + threadIdx.x);
  if (at >= size) return;
  float4 total = load4(product.part_results + at);
  for (int part = 1; part < product.parts; ++part) total = sum(total, load4(product.part_results + part * size + at));
  store4(product.result + at, total);
}

void add_parts(const TensorProduct& product, cudaStream_t stream) {
  const Index quads = product.rows * product.result_stride / 4;
  launch_kernel("add_parts_kernel", add_parts_kernel,
                {static_cast<unsigned>((quads + add_threads - 1) / add_threads), add_threads}, stream, product);
}

template <Form form>
void launch(const TensorProduct& product, Products precision, cudaStream_t stream) {
  const std::size_t shared_bytes = shared_memory_limit();
  const Kernel& kernel = choose(kernels_for<form>(product, precision), product, shared_bytes);
  check(cudaFuncSetAttribute(kernel.function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(kernel.shared_bytes)),
        "cudaFuncSetAttribute of a product's shared memory");
  launch_kernel("tensor_product", kernel.function,
                {kernel.grid(product), static_cast<unsigned>(kernel.threads), kernel.shared_bytes}, stream, product);
  if (product.parts > 1) add_parts(product, stream);
}

}  // namespace

int product_parts(Index inner) {
  const Index terms = detail::sizes().part_terms;
  return static_cast<int>((inner + terms - 1) / terms);
}

void launch_tensor_product(const TensorProduct& product, Products precision, cudaStream_t stream) {
  launch<Form::straight>(product, precision, stream);
}
void launch_transposed_tensor_product(const TensorProduct& product, Products precision, cudaStream_t stream) {
  launch<Form::transposed>(product, precision, stream);
}

}  // namespace attractor::cuda
