#include "bench/support/queries.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "bench/support/table.hpp"
#include "bench/support/unifont.hpp"

namespace attractor::bench {
namespace {

/// Uncorrupted copies of patterns drawn at random.
QuerySet copies(MatrixView<const float> patterns, Index count, Random& random) {
  QuerySet set;
  set.queries = Matrix<float>(count, patterns.columns);
  std::uniform_int_distribution<Index> any_pattern(0, patterns.rows - 1);
  for (Index i = 0; i < count; ++i) {
    set.targets.push_back(any_pattern(random));
    std::copy_n(patterns.row(set.targets.back()), patterns.columns, set.queries.row(i));
  }
  return set;
}

}  // namespace

std::string QuerySet::title() const {
  if (!level) return corruption;
  if (corruption == "noise") return corruption + ' ' + decimal(*level, 1);
  if (corruption == "flip") return corruption + ' ' + decimal(*level, 0) + " %";
  const auto side = std::to_string(std::lround(std::sqrt(*level / 100.0 * static_cast<double>(glyph_pixels))));
  return corruption + ' ' + side + "×" + side;
}

Matrix<float> random_patterns(Index count, Index dimension, Random& random) {
  Matrix<float> patterns(count, dimension);
  std::bernoulli_distribution fair;
  std::generate_n(patterns.data(), patterns.size(), [&] { return fair(random) ? 1.0F : -1.0F; });
  return patterns;
}

QuerySet flipped_queries(MatrixView<const float> patterns, Index count, double share, Random& random) {
  QuerySet set = copies(patterns, count, random);
  set.corruption = "flip";
  set.level = 100.0 * share;
  const Index flips = std::lround(share * static_cast<double>(patterns.columns));
  std::vector<Index> pixels(static_cast<std::size_t>(patterns.columns));
  std::iota(pixels.begin(), pixels.end(), Index{0});
  for (Index i = 0; i < count; ++i) {
    for (Index k = 0; k < flips; ++k) {  // the first steps of a Fisher–Yates shuffle draw different pixels
      const Index other = std::uniform_int_distribution<Index>(k, patterns.columns - 1)(random);
      std::swap(pixels[static_cast<std::size_t>(k)], pixels[static_cast<std::size_t>(other)]);
      float& pixel = set.queries(i, pixels[static_cast<std::size_t>(k)]);
      pixel = -pixel;
    }
  }
  return set;
}

QuerySet occluded_queries(MatrixView<const float> glyphs, Index count, Index side, Random& random) {
  QuerySet set = copies(glyphs, count, random);
  set.corruption = "block";
  set.level = 100.0 * static_cast<double>(side * side) / static_cast<double>(glyph_pixels);
  std::uniform_int_distribution<Index> any_corner(0, glyph_side - side);
  for (Index i = 0; i < count; ++i) {
    const Index top = any_corner(random);
    const Index left = any_corner(random);
    for (Index y = top; y < top + side; ++y) std::fill_n(set.queries.row(i) + y * glyph_side + left, side, -1.0F);
  }
  return set;
}

QuerySet noisy_queries(MatrixView<const float> patterns, Index count, double sigma, Random& random) {
  QuerySet set = copies(patterns, count, random);
  set.corruption = "noise";
  set.level = sigma;
  std::normal_distribution<float> noise(0.0F, static_cast<float>(sigma));
  std::transform(set.queries.data(), set.queries.data() + set.queries.size(), set.queries.data(),
                 [&](float value) { return std::tanh(value + noise(random)); });
  return set;
}

QuerySet mixed_queries(const std::vector<QuerySet>& sets, Random& random) {
  std::vector<std::pair<const QuerySet*, Index>> order;
  for (const QuerySet& set : sets)
    for (Index i = 0; i < set.queries.rows(); ++i) order.emplace_back(&set, i);
  std::shuffle(order.begin(), order.end(), random);
  const Index dimension = sets.front().queries.columns();
  QuerySet all;
  all.corruption = "mixed";
  all.queries = Matrix<float>(std::ssize(order), dimension);
  for (const auto& [set, i] : order) {
    std::copy_n(set->queries.row(i), dimension, all.queries.row(std::ssize(all.targets)));
    all.targets.push_back(set->targets[static_cast<std::size_t>(i)]);
  }
  return all;
}

}  // namespace attractor::bench
