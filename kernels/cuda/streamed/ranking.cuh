#pragma once

/// How a block ranks the scores of one row.

#include <type_traits>

#include "kernels/cuda/softmax/rank_key.cuh"
#include "kernels/cuda/streamed/rank.hpp"
#include "kernels/cuda/streamed/settled_row.cuh"

namespace attractor::cuda {

/// Scores that may be among the best of a row, 4 KiB of them.
inline constexpr int most_listed = 512;
struct Shortlist {
  int count;  ///< may be more than there is room for
  RankKey keys[most_listed];

  __device__ void add(RankKey key) {
    const int at = atomicAdd(&count, 1);
    if (at < most_listed) keys[at] = key;
  }
};

/// A key that so many of a block's are no less than, given the best of each thread; 0 where so many aren't known. Each
/// warp looks for its share of them.
__device__ inline RankKey floor_of(RankKey own, Index wanted) {
  constexpr int warps = settle_threads / warp_size;
  const Index share = (wanted + warps - 1) / warps;
  RankKey last = share > warp_size ? 0 : ~RankKey{0};
  for (Index i = 0; i < share && last != 0; ++i) {
    last = own;
    for (int distance = warp_size / 2; distance > 0; distance /= 2)
      last = larger_key(last, __shfl_xor_sync(all_lanes, last, distance));
    if (own == last) own = 0;
  }
  return reduce_block<settle_threads>(last, [](RankKey a, RankKey b) { return a < b ? a : b; });
}

/// Calls note(rank, key) on one thread for each of the wanted, the key being 0 where no more are listed. Each has the
/// rank of how many are better.
template <class Note>
__device__ void rank_listed(const Shortlist& list, Index wanted, const Note& note) {
  for (int i = static_cast<int>(threadIdx.x); i < list.count; i += settle_threads) {
    const RankKey key = list.keys[i];
    Index rank = 0;
    for (int other = 0; other < list.count; ++other) rank += list.keys[other] > key ? 1 : 0;
    if (rank < wanted) note(rank, key);
  }
  for (Index rank = list.count + static_cast<int>(threadIdx.x); rank < wanted; rank += settle_threads) note(rank, 0);
}

/// The best of a block's row, for all of its threads.
template <class Settled>
class Ranking {
 public:
  __device__ Ranking(const RankedRows& rows, const Row& row, const Settled& settled, Shortlist& list)
      : rows_(rows), row_(row), settled_(settled), list_(list) {}

  /// A second look at scores lists the few that are no less than a bound that the best of each thread gives. Where they
  /// are too many, because one thread has most of the best, there is a look for each of the best.
  __device__ void run(RankKey own) {
    const RankKey floor = floor_of(own, wanted());
    add_up_and_list(floor);
    if (list_.count <= most_listed)
      rank_listed(list_, wanted(), [this](Index rank, RankKey key) { note(rank, key); });
    else
      note_singly();
  }

 private:
  [[nodiscard]] __device__ Index wanted() const { return rows_.best.columns; }

  __device__ void add_up_and_list(RankKey floor) {
    const float least = score_of(floor);
    const auto list = [&](int i) {
      if (!(row_.score(i) >= least)) return;
      const RankKey key = rank_key(row_.score(i), i);
      if (key == 0 || key < floor) return;
      list_.add(key);
    };
    if constexpr (std::is_same_v<Settled, SoftmaxRow>)
      if (rows_.shares.data == nullptr) {
        // Nobody asks for more of the weights than whether they are numbers, as they are where all distances are.
        bool are_numbers = true;
        row_.for_each([&](int i) {
          list(i);
          are_numbers = are_numbers && !isnan(row_.distance(i));
        });
        total_ = __syncthreads_and(are_numbers ? 1 : 0) != 0 ? 1.0 : NAN;
        return;
      }
    total_ = row_.template sum<double>([&](int i) {
      list(i);
      return static_cast<double>(settled_.weight(row_, i));
    });
  }

  __device__ void note_singly() const {
    RankKey last = ~RankKey{0};  // Above all: no key has all bits.
    for (Index rank = 0; rank < wanted(); ++rank) {
      RankKey best = 0;
      row_.for_each([&](int i) {
        const RankKey own = rank_key(row_.score(i), i);
        if (own < last && own > best) best = own;
      });
      last = reduce_block<settle_threads>(best, larger_key);
      if (threadIdx.x == 0) note(rank, last);
    }
  }

  __device__ void note(Index rank, RankKey key) const {
    const Index index = blockIdx.x;
    const int pattern = pattern_of(key);
    const float share =
        key == 0 ? NAN : static_cast<float>(static_cast<double>(settled_.weight(row_, pattern)) / total_);
    rows_.best(index, rank) = isfinite(share) ? pattern : -1;
    if (rows_.shares.data != nullptr) rows_.shares(index, rank) = share;
  }

  const RankedRows& rows_;
  const Row& row_;
  const Settled& settled_;
  Shortlist& list_;
  double total_ = 0.0;
};

/// Ranks the row of this block. The list is empty.
template <class Settled, class Separation>
__device__ void rank_row(const Separation& separation, const RankedRows& rows, Shortlist& list) {
  ThreadBest best;
  const Row row(rows.scores + Index{blockIdx.x} * rows.stride, rows.patterns, Settled::absolute,
                [&](int i, float score) { best.see(i, score); });
  const Settled settled(separation, row);
  Ranking<Settled>(rows, row, settled, list).run(best.key());
}

}  // namespace attractor::cuda
