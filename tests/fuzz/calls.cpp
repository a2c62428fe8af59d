/// Calls of any shape, options and values. What isn't refused has a result for each query, the same alone as in its
/// batch.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <fuzzer/FuzzedDataProvider.h>

#include <attractor/attractor.hpp>

namespace {

using namespace attractor;

/// Few values are special, most are small.
float any_float(FuzzedDataProvider& data) {
  if (data.ConsumeIntegralInRange(0, 15) == 0) return std::bit_cast<float>(data.ConsumeIntegral<std::uint32_t>());
  return static_cast<float>(data.ConsumeIntegral<std::int8_t>()) / 32.0F;
}

Matrix<float> any_matrix(FuzzedDataProvider& data, Index rows, Index columns, bool bipolar) {
  Matrix<float> result(rows, columns);
  for (Index i = 0; i < result.size(); ++i)
    result.data()[i] = bipolar ? (data.ConsumeBool() ? 1.0F : -1.0F) : any_float(data);
  return result;
}

std::string any_rule(FuzzedDataProvider& data) {
  constexpr std::array<const char*, 16> rules = {
      "hebbian",
      "hebbian(evaluation = dense)",
      "hebbian(self_coupling = true, decay = 0.5)",
      "hebbian(centred = true)",
      "projection(ridge = 0.5)",
      "projection",
      "storkey",
      "bidirectional(first = 2)",
      "dense_associative(order = 3)",
      "dense_associative(order = 6, rectified = true)",
      "minerva",
      "modern_hopfield(beta = 2)",
      "modern_hopfield(separation = entmax(1.5))",
      "modern_hopfield(separation = top(2), similarity = cosine)",
      "modern_hopfield(similarity = manhattan, separation = epanechnikov(0.1))",
      "exponential(storage = bfloat16)"};
  return rules[data.ConsumeIntegralInRange<std::size_t>(0, rules.size() - 1)];
}

Update any_update(FuzzedDataProvider& data) {
  switch (data.ConsumeIntegralInRange(0, 4)) {
    case 0: return tanh_update(any_float(data));
    case 1: return sign_update(data.PickValueInArray({AtZero::keep, AtZero::zero, AtZero::plus}));
    case 2: return asynchronous_sign_update(data.ConsumeIntegral<std::uint64_t>());
    case 3: return readout_update();
    default: return blend_update(any_float(data));
  }
}

RelaxerOptions any_options(FuzzedDataProvider& data) {
  RelaxerOptions options;
  if (data.ConsumeBool()) options.update = any_update(data);
  if (data.ConsumeBool())
    options.halting = data.PickValueInArray(
        {energy_stable({.relative = 1e-3F}), state_stable(0.1F), fixed_steps(), energy_stable({.absolute = -1.0F})});
  options.max_steps = data.ConsumeIntegralInRange(0, 6);
  options.energies = data.ConsumeBool();
  options.threads = data.ConsumeIntegralInRange(0, 3);
  return options;
}

bool same_bits(const float* a, const float* b, Index count) {
  return std::memcmp(a, b, static_cast<std::size_t>(count) * sizeof(float)) == 0;
}

void relax_any(FuzzedDataProvider& data) {
  const auto dimension = data.ConsumeIntegralInRange<Index>(0, 40);
  const auto pattern_count = data.ConsumeIntegralInRange<Index>(0, 12);
  const Matrix<float> patterns = any_matrix(data, pattern_count, dimension, data.ConsumeBool());
  Memory memory = Memory::make(Device::cpu(), any_rule(data), patterns);
  if (data.ConsumeBool() && pattern_count > 0) memory.forget({data.ConsumeIntegralInRange<Index>(-1, pattern_count)});
  const Relaxer relaxer(memory, any_options(data));
  const auto query_count = data.ConsumeIntegralInRange<Index>(0, 70);
  const Index columns = data.ConsumeIntegralInRange(0, 20) == 0 ? dimension + 1 : dimension;
  const Matrix<float> queries = any_matrix(data, query_count, columns, data.ConsumeBool());
  const Relaxation batch = relaxer.relax(queries);
  if (static_cast<Index>(batch.steps.size()) != query_count) std::abort();
  if (query_count == 0) return;
  const auto one = data.ConsumeIntegralInRange<Index>(0, query_count - 1);
  const Relaxation alone = relaxer.relax(queries.view().slice(one, 1));
  const auto at = static_cast<std::size_t>(one);
  if (alone.steps[0] != batch.steps[at] || alone.status[0] != batch.status[at]) std::abort();
  if (!same_bits(alone.states.data(), batch.states.row(one), dimension)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider data(bytes, size);
  try {
    relax_any(data);
  } catch (const attractor::Error&) {
    return 0;
  }
  return 0;
}
