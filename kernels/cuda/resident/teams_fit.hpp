#pragma once

/// Which linear memories fit a multiprocessor's shared memory as fp16 terms, and how. Needs no CUDA.

#include <optional>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/resident/teams_layout.hpp"

namespace attractor::cuda::teams {

/// The matrix that teams keep: patterns, or weights.
struct StoredMatrix {
  Form form = Form::factored;
  int planes = 1;  ///< fp16 terms of an entry
  Index rows = 0;
  Index columns = 0;
};

/// The layout for that matrix in so many bytes, with as many teams as there is room for, of `warps` in all; empty where
/// there is none for one.
std::optional<Layout> fit_layout(const StoredMatrix& matrix, Index room, Index warps = most_warps);

/// The least bytes that a block needs for it, or no more than those of its entries where that is far too much; empty
/// where a team hasn't warps enough.
std::optional<Index> least_bytes(const StoredMatrix& matrix);

}  // namespace attractor::cuda::teams
