#include "kernels/cuda/streamed/settle.hpp"

#include <type_traits>
#include <variant>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/streamed/settled_row.cuh"

namespace attractor::cuda {
namespace {

/// One block for each row.
template <class Settled, class Separation>
__global__ void __launch_bounds__(settle_threads) settle_kernel(Separation separation, SettledRows rows) {
  const Index index = blockIdx.x;
  float* const scores = rows.scores + index * rows.stride;
  const Row row(scores, rows.patterns, Settled::absolute, [](int /*i*/, float /*score*/) {});
  const Settled settled(separation, row);
  const double total = row.sum<double>([&](int i) { return static_cast<double>(settled.weight(row, i)); });
  const double potential = settled.potential(row, total);
  row.for_each([&](int i) { scores[i] = settled.weight(row, i); });
  if (threadIdx.x != 0) return;
  rows.origins[index] = row.origin();
  rows.sums[index] = total;
  rows.potentials[index] = potential;
}

template <class Settled, class Separation>
void launch(const Separation& separation, const SettledRows& rows, cudaStream_t stream) {
  launch_kernel("settle_kernel", settle_kernel<Settled, Separation>, {static_cast<unsigned>(rows.rows), settle_threads},
                stream, separation, rows);
}

}  // namespace

void launch_settle(const NormalisedSeparation& separation, const SettledRows& rows, cudaStream_t stream) {
  std::visit([&](const auto& kind) { launch<RowOf<std::decay_t<decltype(kind)>>>(kind, rows, stream); }, separation);
}

}  // namespace attractor::cuda
