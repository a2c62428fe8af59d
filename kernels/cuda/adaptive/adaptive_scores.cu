#include "kernels/cuda/adaptive/adaptive_scores.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <attractor/error.hpp>
#include <attractor/similarity.hpp>

#include "kernels/cuda/adaptive/adaptive_lanes.cuh"
#include "kernels/cuda/adaptive/adaptive_tile.cuh"
#include "kernels/cuda/adaptive/level_scores.cuh"
#include "kernels/cuda/device/capacity.hpp"
#include "kernels/cuda/device/launch.hpp"

namespace attractor::cuda {
namespace {

/// Blocks of a kernel that the current device runs side by side.
Index resident_blocks(const void* kernel, int threads, std::size_t shared_bytes) {
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, shared_bytes),
        "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  return Index{blocks} * multiprocessor_count();
}

/// Every block takes an equal run of tiles, most of them with states that it has already.
template <int size>
void launch_tiles(const AdaptiveScores& job, cudaStream_t stream) {
  using namespace adaptive;
  const std::size_t bytes = TileScorer<size>::shared_bytes(job);
  const Index tiles =
      Index{quotient_up(job.pairs.rows, tile_states)} * quotient_up(job.pairs.pattern_count, tile_patterns);
  const Index blocks =
      std::min(tiles, resident_blocks(reinterpret_cast<const void*>(score_tiles<size>), tile_threads, bytes));
  launch_kernel("adaptive_scores", score_tiles<size>, {static_cast<unsigned>(blocks), tile_threads, bytes}, stream, job,
                tiles);
}

template <int count>
void launch_lanes(const AdaptiveScores& job, cudaStream_t stream) {
  using namespace adaptive;
  const int lanes = pair_lanes(job.pairs.ranks(), count);
  const int blocks = quotient_up(job.pairs.rows, lane_warps) * quotient_up(job.pairs.pattern_count, warp_size / lanes);
  const auto kernel = job.pairs.groups > 1 ? score_pairs<count, true> : score_pairs<count, false>;
  launch_kernel("adaptive_scores", kernel, {static_cast<unsigned>(blocks), lane_threads}, stream, job, lanes);
}

template <int words>
int level_parts(const AdaptiveScores& job) {
  using Scorer = adaptive::LevelScorer<words>;
  return quotient_up(job.levels.first % Scorer::warp_patterns + job.pairs.pattern_count, Scorer::block_patterns);
}

template <int words>
void launch_levels(const AdaptiveScores& job, cudaStream_t stream) {
  const int parts = level_parts<words>(job);
  launch_kernel("adaptive_scores", adaptive::score_levels<words>,
                {static_cast<unsigned>(job.pairs.rows * parts), adaptive::level_threads,
                 adaptive::LevelScorer<words>::shared_bytes(job)},
                stream, job, parts);
}

/// Lanes take several patterns, which share the look at a loss, unless that leaves most of the device idle.
void launch_levels(const AdaptiveScores& job, cudaStream_t stream) {
  constexpr int words = level_patterns / warp_size;
  const Index blocks = resident_blocks(reinterpret_cast<const void*>(adaptive::score_levels<words>),
                                       adaptive::level_threads, adaptive::LevelScorer<words>::shared_bytes(job));
  if (Index{job.pairs.rows} * level_parts<words>(job) < blocks / 4)
    launch_levels<1>(job, stream);
  else
    launch_levels<words>(job, stream);
}

using Launch = void (*)(const AdaptiveScores&, cudaStream_t);
constexpr std::array<Launch, tile_ranks / 8> tile_launches = {launch_tiles<8>,  launch_tiles<16>, launch_tiles<24>,
                                                              launch_tiles<32>, launch_tiles<40>, launch_tiles<48>,
                                                              launch_tiles<56>, launch_tiles<64>};

}  // namespace

void check_ranks(Index dimension, Index groups) {
  const Index ranks = rank_count(dimension, groups);
  if (ranks > most_ranks)
    throw NotSupported("a CUDA device ranks at most " + std::to_string(most_ranks) + " entries in a group; dimension " +
                       std::to_string(dimension) + " in " + std::to_string(groups) + " groups makes " +
                       std::to_string(ranks));
}

int padded_ranks(int ranks) {
  if (ranks <= tile_ranks) return quotient_up(ranks, 8) * 8;
  const int terms = terms_of_lane(ranks);
  return terms * pair_lanes(ranks, terms);
}

void launch_adaptive_scores(const AdaptiveScores& job, cudaStream_t stream) {
  if (job.pairs.rows == 0) return;
  if (job.levels.count > 0) return launch_levels(job, stream);
  const int ranks = job.pairs.ranks();
  if (ranks <= tile_ranks)
    tile_launches[static_cast<std::size_t>(padded_ranks(ranks) / 8 - 1)](job, stream);
  else if (terms_of_lane(ranks) == lane_terms)
    launch_lanes<lane_terms>(job, stream);
  else
    launch_lanes<most_lane_terms>(job, stream);
}

}  // namespace attractor::cuda
