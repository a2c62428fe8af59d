#include "bench/micro/shapes.hpp"

#include <cmath>
#include <utility>

#include "bench/support/queries.hpp"

namespace attractor::bench {
namespace {

constexpr std::uint64_t seed = 1;

/// As many queries of each noise level from 0.5 to `largest_sigma`, in random order.
Matrix<float> mixed_noise(MatrixView<const float> patterns, Index count, double largest_sigma, Random& random) {
  constexpr int levels = 5;
  std::vector<QuerySet> sets;
  for (int level = 0; level < levels; ++level) {
    const double sigma = 0.5 + (largest_sigma - 0.5) * level / (levels - 1);
    sets.push_back(noisy_queries(patterns, count / levels, sigma, random));
  }
  return mixed_queries(sets, random).queries;
}

Shape linear(const Device& device, const std::string& name, Index dimension, Index patterns, Index queries,
             bool projection, Evaluation evaluation) {
  Random random(seed);
  const Matrix<float> stored = random_patterns(patterns, dimension, random);
  return {.name = name,
          .memory = projection ? Memory::projection(device, stored, {.evaluation = evaluation})
                               : Memory::hebbian(device, stored, {.evaluation = evaluation}),
          .options = {.update = tanh_update(projection ? 2.0F : 0.5F)},
          .queries = mixed_noise(stored, queries, 2.5, random),
          .halting_cost = evaluation == Evaluation::dense ? 1.0 : 0.5};
}

Shape modern_hopfield(const Device& device, const std::string& name, Index dimension, Index patterns, Index queries,
                      float beta) {
  Random random(seed);
  const Matrix<float> stored = random_patterns(patterns, dimension, random);
  return {.name = name,
          .memory = Memory::modern_hopfield(device, stored, {.beta = beta}),
          .options = {},
          .queries = mixed_noise(stored, queries, 2.5, random),
          .halting_cost = 1.0};
}

}  // namespace

double Shape::step_flops() const {
  const auto d = static_cast<double>(memory.dimension());
  return memory.evaluation() == Evaluation::dense ? 2.0 * d * d : 4.0 * d * static_cast<double>(memory.pattern_count());
}

Shape hebbian_128(const Device& device) {
  return linear(device, "hebbian N=128 P=8", 128, 8, 65536, false, Evaluation::factored);
}

Shape hebbian_1024(const Device& device) {
  return linear(device, "hebbian N=1024 P=64", 1024, 64, 8192, false, Evaluation::factored);
}

Shape projection_1024(const Device& device) {
  return linear(device, "projection N=1024 P=512", 1024, 512, 4096, true, Evaluation::dense);
}

Shape hopfield_4096(const Device& device) {
  return modern_hopfield(device, "hopfield P=4096 D=64", 64, 4096, 16384, 0.5F);
}

Shape hopfield_57086(const Device& device) {
  return modern_hopfield(device, "hopfield P=57086 D=256", 256, 57086, 1024, 0.25F);
}

}  // namespace attractor::bench
