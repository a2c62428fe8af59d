#include "kernels/cuda/adaptive/levels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <vector>

#include <attractor/matrix.hpp>

#include "kernels/cuda/adaptive/adaptive_scores.hpp"
#include "kernels/cuda/device/device_matrix.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cuda {
namespace {

/// Instructions of a pair and a base by sorting networks, as counted: D log² D, more than half of it where a thread
/// has a pair to itself.
double network_cost(double ranks) {
  const double padded = padded_ranks(static_cast<int>(ranks));
  return (ranks <= tile_ranks ? 0.6 : 1.0) * padded * std::pow(std::log2(padded), 2.0);
}

/// The same by levels: seven for each, and the comparators of its state's sort, which the patterns of a chunk share.
double level_cost(std::size_t levels, Index patterns) {
  const std::size_t padded = std::bit_ceil(levels);
  const double merges = std::log2(static_cast<double>(padded));
  const double comparators = static_cast<double>(padded) / 4.0 * merges * (merges + 1.0);
  const Index sharing = std::min(patterns, detail::sizes().softmax_chunk);
  return 7.0 * static_cast<double>(levels) + 24.0 * comparators / static_cast<double>(sharing);
}

/// The values that entries have, ascending.
class Levels {
 public:
  explicit Levels(Index dimension) : values_(elements(dimension)) {}

  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::span<const float> at(std::size_t entry) const { return values_[entry]; }

  void add(std::size_t entry, float value) {
    std::vector<float>& own = values_[entry];
    const auto place = std::lower_bound(own.begin(), own.end(), value);
    if (place != own.end() && *place == value) return;
    own.insert(place, value);
    ++count_;
  }

 private:
  std::vector<std::vector<float>> values_;
  std::size_t count_ = 0;
};

/// Ends early where there are more than `most`.
Levels find(MatrixView<const float> patterns, std::size_t most) {
  Levels levels(patterns.columns);
  for (Index i = 0; i < patterns.rows && levels.count() <= most; ++i)
    for (Index k = 0; k < patterns.columns; ++k) levels.add(elements(k), patterns(i, k));
  return levels;
}

/// Which pattern has which.
std::vector<uint4> make_bits(MatrixView<const float> patterns, const Levels& levels) {
  const std::size_t row = levels.count() + 1;
  std::vector<uint4> bits(elements(quotient_up(static_cast<int>(patterns.rows), level_patterns)) * row);
  for (Index i = 0; i < patterns.rows; ++i) {
    uint4* own = bits.data() + elements(i / level_patterns) * row;
    const auto place = static_cast<unsigned>(i % level_patterns);
    for (Index k = 0; k < patterns.columns; ++k) {
      const std::span<const float> values = levels.at(elements(k));
      uint4& level = own[std::lower_bound(values.begin(), values.end(), patterns(i, k)) - values.begin()];
      unsigned* const words[] = {&level.x, &level.y, &level.z, &level.w};
      *words[place / 32] |= 1U << place % 32;
      own += values.size();
    }
  }
  return bits;
}

/// The kernel takes ranks of all entries, and weights that patterns share.
bool is_plain(const AdaptiveSimilarity& similarity, Index dimension) {
  const std::size_t weights = std::max(similarity.squared_distance.size(), similarity.dot.size());
  return similarity.groups == 1 && weights == elements(dimension) && dimension <= most_level_entries;
}

/// Whether scores cost less by these levels, or by more of them, for so many patterns.
bool pay(const Levels& levels, Index dimension, Index patterns) {
  const auto size = static_cast<double>(detail::sizes().level_cost);
  return levels.count() <= most_levels &&
         size * level_cost(levels.count(), patterns) < network_cost(static_cast<double>(dimension));
}

Matrix<float> on_host(MatrixView<const float> patterns) {
  Matrix<float> result(patterns.rows, patterns.columns);
  download(patterns, result, "patterns");
  return result;
}

/// Of patterns on the host.
DeviceLevels levels_among(MatrixView<const float> patterns) {
  DeviceLevels result;
  const Levels levels = find(patterns, most_levels);
  if (!pay(levels, patterns.columns, patterns.rows)) return result;
  std::vector<float> all;
  std::vector<std::uint16_t> places;
  for (std::size_t k = 0; k < elements(patterns.columns); ++k) {
    const std::span<const float> own = levels.at(k);
    all.insert(all.end(), own.begin(), own.end());
    places.insert(places.end(), own.size(), static_cast<std::uint16_t>(k));
  }
  result.values = upload(std::span<const float>(all), "the values of patterns");
  result.entries = upload(std::span<const std::uint16_t>(places), "the entries of patterns' values");
  result.bits = upload(std::span<const uint4>(make_bits(patterns, levels)), "which pattern has which value");
  return result;
}

}  // namespace

DeviceLevels::DeviceLevels(MatrixView<const float> patterns, const AdaptiveSimilarity& similarity) {
  if (!is_plain(similarity, patterns.columns) || !std::isfinite(static_cast<double>(detail::sizes().level_cost)))
    return;
  if (!is_here(patterns.data, "the memory's patterns")) {
    *this = levels_among(patterns);
    return;
  }
  constexpr Index few = 64;
  const Matrix<float> sample = on_host(patterns.slice(0, std::min(few, patterns.rows)));
  if (pay(find(sample, most_levels), patterns.columns, patterns.rows)) *this = levels_among(on_host(patterns));
}

}  // namespace attractor::cuda
