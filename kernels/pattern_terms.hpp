#pragma once

/// What a call says of the patterns of a memory whose weights are normalised, for engines of every kind.

#include <cstdint>

#include <attractor/host_device.hpp>
#include <attractor/matrix_view.hpp>

namespace attractor::detail {

/// A row for each query; a row stride of 0: the same one for all.
struct PatternTerms {
  MatrixView<const std::uint8_t> valid = {};  ///< [B × P], 0: as if the pattern weren't stored; no data: all are
  MatrixView<const float> log_prior = {};     ///< [B × P], added to the scores; no data: 0

  [[nodiscard]] ATTRACTOR_HOST_DEVICE bool empty() const { return valid.data == nullptr && log_prior.data == nullptr; }

  [[nodiscard]] PatternTerms slice(Index first, Index count) const {
    return {.valid = valid.data == nullptr ? valid : valid.slice(first, count),
            .log_prior = log_prior.data == nullptr ? log_prior : log_prior.slice(first, count)};
  }
};

}  // namespace attractor::detail
