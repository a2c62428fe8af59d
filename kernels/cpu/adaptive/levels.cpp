#include "kernels/cpu/adaptive/levels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/sizes.hpp"

namespace attractor::cpu {
namespace {

/// They are numbered in 16 bits.
constexpr Index most_levels = 65536;

/// What scores by levels cost, where those by sorting networks cost 1: as measured with AVX2 and AVX-512, a network
/// D log² D, a level 9 for each pattern and 700 to be sorted, a rank 18, and what else there is 900.
class LevelCost {
 public:
  LevelCost(Index dimension, Index patterns) {
    const auto ranks = static_cast<double>(dimension);
    const double unit =
        static_cast<double>(detail::sizes().level_cost) / (ranks * std::pow(std::log2(ranks + 1.0), 2.0));
    level_ = unit * (9.0 + 700.0 / static_cast<double>(patterns));
    others_ = unit * (18.0 * ranks + 900.0);
  }

  [[nodiscard]] float of(Index levels) const {
    return static_cast<float>(level_ * static_cast<double>(levels) + others_);
  }

  /// The most levels that cost less.
  [[nodiscard]] Index limit() const {
    if (!(others_ < 1.0)) return 0;
    const double levels = (1.0 - others_) / level_;
    return levels < static_cast<double>(most_levels) ? static_cast<Index>(levels) : most_levels;
  }

 private:
  double level_;  ///< cost of one
  double others_;
};

/// All patterns that there are to be.
struct Rows {
  const PackedMatrix& patterns;
  MatrixView<const float> more;

  [[nodiscard]] Index count() const { return patterns.rows() + more.rows; }
  [[nodiscard]] float operator()(Index i, Index k) const {
    if (i < patterns.rows()) return patterns.at(i, k);
    return more(i - patterns.rows(), k);
  }
};

/// Appends the values of an entry, ascending. False, where there would be more than `most` in all.
bool add_levels(const Rows& rows, Index entry, Index most, std::vector<float>& levels) {
  const auto begin = static_cast<std::ptrdiff_t>(levels.size());
  for (Index i = 0; i < rows.count(); ++i) {
    const float value = rows(i, entry);
    const auto place = std::lower_bound(levels.begin() + begin, levels.end(), value);
    if (place != levels.end() && *place == value) continue;
    if (static_cast<Index>(levels.size()) >= most) return false;
    levels.insert(place, value);
  }
  return true;
}

/// The level of an entry that has this value, or the first one above it.
Index level_of(const Levels& levels, Index entry, float value) {
  const float* const values = levels.values.data();
  return std::lower_bound(values + levels.begin(entry), values + levels.begin(entry + 1), value) - values;
}

/// Sets the bits of a pattern.
void set_bits(Levels& levels, Index pattern, Index entry, float value) {
  const Index level = level_of(levels, entry, value);
  levels.bits[static_cast<std::size_t>(pattern / Levels::group * levels.count() + level)] |=
      std::uint32_t{1} << static_cast<unsigned>(pattern % Levels::group);
}

/// Gives a pattern another one's bits.
void move_bits(Levels& levels, Index from, Index to) {
  const std::uint32_t* const own = levels.bits_of(from / Levels::group);
  std::uint32_t* const theirs = levels.bits.data() + to / Levels::group * levels.count();
  const auto own_place = static_cast<unsigned>(from % Levels::group);
  const auto their_place = static_cast<unsigned>(to % Levels::group);
  for (Index level = 0; level < levels.count(); ++level)
    theirs[level] = (theirs[level] & ~(std::uint32_t{1} << their_place)) | (own[level] >> own_place & 1U)
                                                                               << their_place;
}

std::size_t bit_words(const Levels& levels, Index patterns) {
  return static_cast<std::size_t>((patterns + Levels::group - 1) / Levels::group * levels.count());
}

}  // namespace

Levels find_levels(const PackedMatrix& patterns, MatrixView<const float> more) {
  const Rows rows{patterns, more};
  Levels result;
  result.sought = rows.count();
  if (rows.count() == 0) return result;
  const Index dimension = patterns.columns();
  const LevelCost cost(dimension, rows.count());
  const Index most = cost.limit();
  std::vector<float> values;
  std::vector<Index> first = {0};
  for (Index entry = 0; entry < dimension; ++entry) {
    if (!add_levels(rows, entry, most, values)) return result;
    first.push_back(static_cast<Index>(values.size()));
  }
  result.cost = cost.of(first.back());
  result.rows = rows.count();
  result.first = std::move(first);
  result.values = AlignedFloats(values, result.padded_count());
  result.bits.resize(bit_words(result, result.rows));
  for (Index i = 0; i < result.rows; ++i)
    for (Index k = 0; k < dimension; ++k) set_bits(result, i, k, rows(i, k));
  return result;
}

bool has_levels(const Levels& levels, MatrixView<const float> patterns) {
  for (Index i = 0; i < patterns.rows; ++i)
    for (Index k = 0; k < patterns.columns; ++k) {
      const Index level = level_of(levels, k, patterns(i, k));
      if (level == levels.begin(k + 1) || levels.values[level] != patterns(i, k)) return false;
    }
  return true;
}

void reserve(Levels& levels, Index patterns) {
  const std::size_t words = bit_words(levels, patterns);
  if (words > levels.bits.capacity()) levels.bits.reserve(std::max(words, 2 * levels.bits.capacity()));
}

void append(Levels& levels, MatrixView<const float> patterns) noexcept {
  levels.bits.resize(bit_words(levels, levels.rows + patterns.rows));
  for (Index i = 0; i < patterns.rows; ++i)
    for (Index k = 0; k < patterns.columns; ++k) set_bits(levels, levels.rows + i, k, patterns(i, k));
  levels.rows += patterns.rows;
}

void remove(Levels& levels, std::span<const Index> patterns) noexcept {
  if (levels.empty()) return;
  for_moves(patterns, levels.rows, [&](Index from, Index to) { move_bits(levels, from, to); });
  levels.rows -= static_cast<Index>(patterns.size());
  levels.bits.resize(bit_words(levels, levels.rows));
  if (levels.rows % Levels::group == 0) return;
  const std::uint32_t kept = (std::uint32_t{1} << static_cast<unsigned>(levels.rows % Levels::group)) - 1;
  for (auto word = levels.bits.end() - levels.count(); word != levels.bits.end(); ++word) *word &= kept;
}

}  // namespace attractor::cpu
