#include <attractor/variants.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/src/philox.hpp"
#include "host/src/validation.hpp"
#include "kernels/cpu/engine/threads.hpp"

namespace attractor {
namespace {

using detail::RandomSequence;

/// Variants that a thread makes at a time.
constexpr Index variants_chunk = 64;

/// Writes one variant of a pattern.
class Corruption {
 public:
  Corruption(const VariantOptions& options, Index dimension)
      : options_(options),
        dimension_(dimension),
        deviation_(static_cast<double>(options.severity) * static_cast<double>(options.spread)) {}

  void operator()(const float* pattern, float* result, RandomSequence& random) const {
    std::copy_n(pattern, dimension_, result);
    if (includes(Variant::masked)) mask(result, random);
    if (includes(Variant::noisy)) add_noise(result, random);
    if (includes(Variant::biased)) add_bias(result, random);
  }

 private:
  [[nodiscard]] bool includes(Variant variant) const {
    return options_.variant == variant || options_.variant == Variant::mixed;
  }

  void add_noise(float* values, RandomSequence& random) const {
    for (Index i = 0; i < dimension_; ++i) values[i] = sum(values[i], deviation_ * random.normal());
  }

  void add_bias(float* values, RandomSequence& random) const {
    const double bias = deviation_ * random.normal();
    for (Index i = 0; i < dimension_; ++i) values[i] = sum(values[i], bias);
  }

  /// Selection sampling: an entry is chosen with the share that the entries still to choose have of those left.
  void mask(float* values, RandomSequence& random) const {
    Index to_choose = std::llround(static_cast<double>(options_.severity) * static_cast<double>(dimension_));
    for (Index i = 0; i < dimension_; ++i) {
      if (random.below(dimension_ - i) >= to_choose) continue;
      values[i] = options_.mask_value ? *options_.mask_value
                                      : sum(0.0F, static_cast<double>(options_.spread) * random.normal());
      --to_choose;
    }
  }

  static float sum(float value, double change) {
    constexpr double limit = std::numeric_limits<float>::max();
    return static_cast<float>(std::clamp(static_cast<double>(value) + change, -limit, limit));
  }

  VariantOptions options_;
  Index dimension_;
  double deviation_;
};

void check_patterns(MatrixView<const float> patterns, const VariantOptions& options) {
  detail::check_options(options);
  detail::check_pattern_layout(patterns, "patterns");
  detail::check_finite(patterns, "patterns");
}

/// Calls make(i) for each i in [0, count), on several threads where that pays.
template <class Make>
void for_each_variant(Index count, const Make& make) {
  cpu::run_chunks(cpu::team_size(0, count, variants_chunk), count, variants_chunk,
                  [&](int /*share*/, Index first, Index end) {
                    for (Index i = first; i < end; ++i) make(i);
                  });
}

}  // namespace

Variants make_variants(MatrixView<const float> patterns, Index count, const VariantOptions& options) {
  check_patterns(patterns, options);
  detail::check_count(count, patterns.columns, "variants");
  Variants result{Matrix<float>(count, patterns.columns), std::vector<Index>(static_cast<std::size_t>(count))};
  const Corruption corrupt(options, patterns.columns);
  for_each_variant(count, [&](Index i) {
    RandomSequence random(options.seed, static_cast<std::uint64_t>(i));
    const Index origin = random.below(patterns.rows);
    result.origins[static_cast<std::size_t>(i)] = origin;
    corrupt(patterns.row(origin), result.queries.row(i), random);
  });
  return result;
}

Matrix<float> vary(MatrixView<const float> patterns, const VariantOptions& options) {
  check_patterns(patterns, options);
  Matrix<float> result(patterns.rows, patterns.columns);
  const Corruption corrupt(options, patterns.columns);
  for_each_variant(patterns.rows, [&](Index i) {
    RandomSequence random(options.seed, static_cast<std::uint64_t>(i));
    corrupt(patterns.row(i), result.row(i), random);
  });
  return result;
}

}  // namespace attractor
