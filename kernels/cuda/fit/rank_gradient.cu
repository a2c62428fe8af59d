#include "kernels/cuda/fit/rank_gradient.hpp"

#include <array>

#include "kernels/cuda/adaptive/rank_layout.hpp"
#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/fit/gradient_lanes.cuh"
#include "kernels/cuda/fit/gradient_tile.cuh"

namespace attractor::cuda {
namespace {

using namespace adaptive;

int shared_lanes(const RankGradient& job) { return pair_lanes(job.pairs.ranks(), terms_of_lane(job.pairs.ranks())); }

/// How many blocks of states and of patterns share the pairs.
struct PairGrid {
  int rows;
  int patterns;
};

PairGrid grid_of(const RankGradient& job) {
  if (job.pairs.ranks() <= tile_ranks)
    return {quotient_up(job.pairs.rows, gradient_tiles * tile_states),
            quotient_up(job.pairs.pattern_count, tile_patterns)};
  return {quotient_up(job.pairs.rows, lane_block_rows(job)),
          quotient_up(job.pairs.pattern_count, lane_block_patterns(job, shared_lanes(job)))};
}

unsigned block_count(const RankGradient& job) {
  const PairGrid grid = grid_of(job);
  return static_cast<unsigned>(grid.rows) * static_cast<unsigned>(grid.patterns);
}

template <FootprintBase base, int size>
void launch_tiles(const RankGradient& job, cudaStream_t stream) {
  launch_kernel("rank_gradient", add_tiles<base, size>,
                {block_count(job), tile_threads, TileGradient<base, size>::shared_bytes(job)}, stream, job);
}

template <FootprintBase base, int count>
void launch_lanes(const RankGradient& job, cudaStream_t stream) {
  const int lanes = shared_lanes(job);
  const auto kernel = job.pairs.groups > 1 ? add_pairs<base, true, count> : add_pairs<base, false, count>;
  launch_kernel("rank_gradient", kernel,
                {block_count(job), gradient_threads(count), LaneGradient<base, false, count>::shared_bytes(lanes)},
                stream, job, lanes);
}

using Launch = void (*)(const RankGradient&, cudaStream_t);

template <FootprintBase base>
constexpr std::array<Launch, tile_ranks / 8> tile_launches = {
    launch_tiles<base, 8>,  launch_tiles<base, 16>, launch_tiles<base, 24>, launch_tiles<base, 32>,
    launch_tiles<base, 40>, launch_tiles<base, 48>, launch_tiles<base, 56>, launch_tiles<base, 64>};

template <FootprintBase base>
void launch(const RankGradient& job, cudaStream_t stream) {
  const int ranks = job.pairs.ranks();
  if (ranks <= tile_ranks)
    tile_launches<base>[static_cast<std::size_t>((ranks - 1) / 8)](job, stream);
  else if (terms_of_lane(ranks) == lane_terms)
    launch_lanes<base, lane_terms>(job, stream);
  else
    launch_lanes<base, most_lane_terms>(job, stream);
}

}  // namespace

Index gradient_parts(const RankGradient& gradient) {
  const PairGrid grid = grid_of(gradient);
  return gradient.per_pattern ? Index{grid.rows} : Index{grid.rows} * grid.patterns;
}

void launch_rank_gradient(const RankGradient& gradient, cudaStream_t stream) {
  if (gradient.base == FootprintBase::dot)
    launch<FootprintBase::dot>(gradient, stream);
  else
    launch<FootprintBase::squared_distance>(gradient, stream);
}

}  // namespace attractor::cuda
