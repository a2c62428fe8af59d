#include "kernels/cuda/streamed/rank.hpp"

#include <type_traits>
#include <variant>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/streamed/ranking.cuh"

namespace attractor::cuda {
namespace {

/// One block for each row.
template <class Settled, class Separation>
__global__ void __launch_bounds__(settle_threads) rank_kernel(Separation separation, RankedRows rows) {
  __shared__ Shortlist list;
  // Reductions come before any is listed.
  if (threadIdx.x == 0) list.count = 0;
  rank_row<Settled>(separation, rows, list);
}

template <class Settled, class Separation>
void launch(const Separation& separation, const RankedRows& rows, cudaStream_t stream) {
  launch_kernel("rank_kernel", rank_kernel<Settled, Separation>, {static_cast<unsigned>(rows.rows), settle_threads},
                stream, separation, rows);
}

}  // namespace

void launch_rank(const NormalisedSeparation& separation, const RankedRows& rows, cudaStream_t stream) {
  std::visit([&](const auto& kind) { launch<RowOf<std::decay_t<decltype(kind)>>>(kind, rows, stream); }, separation);
}

}  // namespace attractor::cuda
