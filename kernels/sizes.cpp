#include "kernels/sizes.hpp"

#include <attractor/export.h>

namespace attractor::detail {

// Exported here, not where they are declared: what includes that compiles the same for a shared and a static library,
// and the compiler's cache has it for both.
ATTRACTOR_EXPORT Sizes Sizes::tiny() {
  return {.pattern_block = 3,
          .gradient_patterns = 3,
          .segment_patterns = 8,
          .scanned_patterns = 8,
          .readout_strip = 2,
          .readout_steps = 1,
          .ordered_patterns = 1,
          .ranked_candidates = 3,
          .term_cost = 0.0F,
          .single_lanes = 2,
          .unit_patterns = 1,
          .unit_columns = 1,
          .unit_factor = 1,
          .least_unit_factor_rows = 1,
          .most_unit_factor_rows = 70,
          .unit_buffer = 2,
          .rough_patterns = 1,
          .rough_columns = 1,
          .screened_entries = 0,
          .exact_cost = 1e9F,
          .level_cost = 0.01F,
          .weighed_patterns = 8,
          .packed_span = 6,
          .thread_cost = 1,
          .shared_cost = 1,
          .fit_parts = 2,
          .resident_blocks = 1,
          .bipolar_warps = 1,
          .team_warps = 1,
          .scratch_bytes = 8192,
          .most_slots = 11,
          .least_slots = 7,
          .part_terms = 32,
          .product_blocks = 4,
          .softmax_chunk = 8,
          .split_patterns = 8,
          .run_patterns = 32,
          .chunk_bytes = 8000,
          .least_chunk = 16,
          .retrieval_rows = 7,
          .product_columns = 64,
          .footprint_floats = 64,
          .fit_batch_scores = 100,
          .fit_batch_floats = 1000,
          .fit_batch_terms = 3000,
          .column_rows = 3};
}

ATTRACTOR_EXPORT Sizes& sizes() {
  static Sizes in_use;
  return in_use;
}

}  // namespace attractor::detail
