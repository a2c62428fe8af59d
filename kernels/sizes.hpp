#pragma once

/// Sizes inside the engines that only large inputs reach.

#include <attractor/matrix.hpp>

namespace attractor::detail {

/// How much is done at a time. No result's bits depend on the sizes of a fixed memory's blocks of work, but for those
/// that are marked: they cut sums.
struct Sizes {
  // The CPU.
  Index pattern_block = 1024;           ///< patterns summed apart in a readout, at most. Cuts sums.
  Index block_floats = Index{1} << 16;  ///< of such a block, about: it stays in the second-level cache. Cuts sums.
  Index gradient_patterns = 256;        ///< of a fit's gradient between its sums in double. Cuts sums.
  Index segment_patterns = 65536;       ///< patterns whose scores are kept, at most. Cuts softmax's sums.
  Index scanned_patterns = 8192;        ///< of a share of a retrieval that keeps no scores. Cuts sums.
  Index readout_strip = 128;            ///< candidates whose weights stay in the first-level cache in a readout
  Index readout_steps = 4;              ///< the same in steps of 64, where sums are integers
  Index ordered_patterns = 512;         ///< that make it worth to order lanes by how many of them have weight
  Index ranked_candidates = 1024;       ///< before those that can't be among the best are looked for, where few count
  float term_cost = 6.0F;               ///< cycles to find a weight, where few aren't 0, and to use it
  Index single_lanes = 4;               ///< queries of a tile that are scored each by itself, 8 at most
  Index unit_patterns = 256;            ///< of a softmax memory that are worth the matrix unit. Cuts sums.
  Index unit_columns = 32;              ///< the same of their entries. Cuts sums.
  Index byte_patterns = 65536;          ///< of ±1, at most, whose weights are read out as integers. Cuts sums.
  Index lane_patterns = 65536;          ///< the same where lanes are read out each by itself; 0: none are
  Index unit_factor = Index{1} << 14;   ///< the same of a factored memory's entries. Cuts sums.
  Index least_unit_factor_rows = 32;    ///< of its patterns. Cuts sums.
  Index most_unit_factor_rows = 16384;  ///< of which all weights are kept: 4 MiB for each thread. Cuts sums.
  Index unit_buffer = 8;                ///< steps of 32 lanes that are packed for the matrix unit at a time, at least
  Index rough_patterns = 256;           ///< of a softmax memory that are worth a look by rough scores. CUDA too
  Index rough_columns = 32;             ///< the same of their entries. CUDA too
  float listed_share = 0.2F;            ///< of scores that may matter, at most, to make no others; 0: no such look
  Index screened_entries = 8192;        ///< of an adaptive memory's patterns that are worth a look by rounded terms
  float exact_cost = 1.0F;              ///< of all exact scores, than which such a look has to cost less; 0: no look
  float level_cost = 1.0F;              ///< of scores by levels, times what is thought; 0: by any, and ∞: by none
  Index weighed_patterns = 16384;       ///< of other factored memories: bounds their weights likewise
  Index packed_terms = Index{1} << 23;  ///< of a memory of ±1 whose states are bits, at most; 0: none are. CUDA too
  Index packed_span = 32768;            ///< its patterns that are added up in 16 bits, at most
  Index thread_cost = Index{1} << 17;   ///< multiply-adds worth a thread: ten microseconds, as long as waking it takes
  Index shared_cost = Index{1} << 21;   ///< of a step on a memory that is more than the caches of a processor hold
  Index fit_parts = 32;                 ///< parts of a fit's queries, each with a gradient of its own. Cuts sums.

  // CUDA, relaxations.
  Index resident_blocks = Index{1} << 20;  ///< of a resident launch, if the device runs so many at the same time
  Index float_bytes = Index{1} << 20;      ///< of shared memory that floats of a resident memory may take
  Index bipolar_warps = 12;                ///< of a block that relaxes states of ±1 in integers, at most
  Index team_warps = 12;                   ///< of a block that relaxes states on tensor cores, at most
  Index scratch_bytes = Index{512} << 20;  ///< of a streamed memory, about, whatever the number of queries
  Index most_slots = 8192;  ///< queries in flight: they fill any device's products, more make the end of a call longer
  Index least_slots = 64;   ///< however long their rows are
  /// Columns of a linear memory's matrix from which on it is multiplied on tensor cores, by so many. Cuts sums.
  Index tensor_columns = 64;
  Index part_terms = 2048;      ///< of overlaps that are summed apart on tensor cores. Cuts sums.
  Index product_blocks = 64;    ///< of a product on tensor cores that fill a device, about: else smaller ones make it
  Index softmax_chunk = 1024;   ///< patterns scored at a time where scores are kept, a multiple of 4. Cuts sums.
  Index split_patterns = 1024;  ///< patterns that are worth a split of a softmax scan. Cuts sums.
  Index run_patterns = 1024;    ///< patterns of a scan between compensated sums, a multiple of 32. Cuts sums.

  // CUDA, calls.
  Index chunk_bytes = Index{64} << 20;  ///< of queries and results: a launch keeps its slots busy most of the time, and
                                        ///< page-locking the buffers takes no longer than using them
  Index least_chunk = 4096;             ///< queries of a chunk that is cut for progress or to share among devices
  Index retrieval_rows = 4096;          ///< queries retrieved at a time
  Index product_columns = Index{1} << 20;    ///< of an ordered product that a launch takes: grids have their limits
  Index footprint_floats = Index{16} << 20;  ///< of footprints that are on the device at a time
  Index fit_batch_scores = Index{16} << 20;  ///< of a batch of a fit's queries: 64 MiB. Cuts sums.
  Index fit_batch_floats = Index{8} << 20;   ///< of the queries themselves. Cuts sums.
  Index fit_batch_terms = Index{1} << 30;    ///< of all its pairs: bounds what blocks leave of a gradient. Cuts sums.
  /// Bytes of a device for each that a fit's queries may take there for as long as it lasts.
  Index fit_query_share = 4;
  Index column_rows = 256;  ///< rows of a matrix that a block adds up. Cuts sums.

  /// So small that inputs of a few dozen rows cross every one of them.
  static Sizes tiny();
};

/// Those in use. Read when work begins; only tests write them, while nothing runs.
Sizes& sizes();

}  // namespace attractor::detail
