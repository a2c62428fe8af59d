#pragma once

/// Memories, queries, options and calls of any kind, out of a fuzzer's bytes.

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fuzzer/FuzzedDataProvider.h>

#include <attractor/attractor.hpp>

namespace attractor::fuzz {

/// Few values are special, most are small.
inline float any_float(FuzzedDataProvider& data) {
  if (data.ConsumeIntegralInRange(0, 15) == 0) return std::bit_cast<float>(data.ConsumeIntegral<std::uint32_t>());
  return static_cast<float>(data.ConsumeIntegral<std::int8_t>()) / 32.0F;
}

inline std::vector<float> any_floats(FuzzedDataProvider& data, Index count) {
  std::vector<float> result(static_cast<std::size_t>(count));
  for (float& value : result) value = any_float(data);
  return result;
}

inline Matrix<float> any_matrix(FuzzedDataProvider& data, Index rows, Index columns, bool bipolar) {
  Matrix<float> result(rows, columns);
  for (Index i = 0; i < result.size(); ++i)
    result.data()[i] = bipolar ? (data.ConsumeBool() ? 1.0F : -1.0F) : any_float(data);
  return result;
}

/// Bytes that are 0 as often as not.
inline Matrix<std::uint8_t> any_mask(FuzzedDataProvider& data, Index rows, Index columns) {
  Matrix<std::uint8_t> result(rows, columns);
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = data.ConsumeBool() ? 1 : 0;
  return result;
}

/// Rows in any of the formats that queries come in, which may lie apart.
class AnyRows {
 public:
  AnyRows(FuzzedDataProvider& data, Index rows, Index columns, Index gap) {
    const Index stride = columns + gap;
    switch (data.ConsumeIntegralInRange(0, 4)) {
      case 0: {
        const bool bipolar = data.ConsumeBool();
        view_ = MatrixView(keep(any_matrix(data, rows, stride, bipolar)).data(), rows, columns, stride);
        break;
      }
      case 1: view_ = MatrixView(halves<Float16>(data, rows * stride), rows, columns, stride); break;
      case 2: view_ = MatrixView(halves<BFloat16>(data, rows * stride), rows, columns, stride); break;
      case 3: view_ = MatrixView(bytes<std::int8_t>(data, rows * stride), rows, columns, stride); break;
      default:
        view_ = BitView(bytes<std::uint8_t>(data, rows * bytes_of_bits(stride)), rows, columns, bytes_of_bits(stride));
    }
  }

  [[nodiscard]] const QueryView& view() const { return view_; }

 private:
  template <class T>
  T& keep(T values) {
    return storage_.emplace<T>(std::move(values));
  }
  template <class Half>
  Half* halves(FuzzedDataProvider& data, Index count) {
    Matrix<Half> result(1, count);
    for (Index i = 0; i < count; ++i) result.data()[i].bits = data.ConsumeIntegral<std::uint16_t>();
    return keep(std::move(result)).data();
  }
  template <class Byte>
  Byte* bytes(FuzzedDataProvider& data, Index count) {
    Matrix<Byte> result(1, count);
    for (Index i = 0; i < count; ++i) result.data()[i] = data.ConsumeIntegral<Byte>();
    return keep(std::move(result)).data();
  }

  std::variant<Matrix<float>, Matrix<Float16>, Matrix<BFloat16>, Matrix<std::int8_t>, Matrix<std::uint8_t>> storage_;
  QueryView view_;
};

inline std::string any_rule(FuzzedDataProvider& data) {
  constexpr std::array rules = {"hebbian",
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
                                "modern_hopfield(similarity = squared_distance)",
                                "modern_hopfield(separation = sparsemax())",
                                "modern_hopfield(separation = entmax(1.5))",
                                "modern_hopfield(separation = normmax(1.5), similarity = squared_distance)",
                                "modern_hopfield(separation = top(2), similarity = cosine)",
                                "modern_hopfield(similarity = manhattan, separation = epanechnikov(0.1))",
                                "modern_hopfield(storage = float16)",
                                "modern_hopfield(precision = fast)",
                                "modern_hopfield(similarity = squared_distance, storage = bfloat16)",
                                "exponential",
                                "exponential(storage = bfloat16)"};
  return rules[data.ConsumeIntegralInRange<std::size_t>(0, rules.size() - 1)];
}

/// What rules have beside their parameters, of which most refuse some.
inline RuleArrays any_arrays(FuzzedDataProvider& data, MatrixView<const float> patterns,
                             MatrixView<const float> contents) {
  RuleArrays arrays{.contents = contents};
  if (data.ConsumeIntegralInRange(0, 7) == 0) arrays.thresholds = any_floats(data, patterns.columns);
  if (data.ConsumeIntegralInRange(0, 7) == 0) arrays.log_prior = any_floats(data, patterns.rows);
  return arrays;
}

inline AdaptiveSimilarity any_similarity(FuzzedDataProvider& data, Index dimension) {
  AdaptiveSimilarity similarity;
  if (data.ConsumeBool()) similarity.groups = data.ConsumeIntegralInRange<Index>(1, 8);
  const Index ranks = rank_count(dimension, similarity.groups);
  if (data.ConsumeBool()) similarity.squared_distance = any_floats(data, ranks);
  if (data.ConsumeBool()) similarity.dot = any_floats(data, ranks);
  similarity.precision = data.PickValueInArray({TermPrecision::full, TermPrecision::bits16, TermPrecision::bits8});
  return similarity;
}

inline Memory any_memory(FuzzedDataProvider& data, MatrixView<const float> patterns, const RuleArrays& arrays) {
  if (data.ConsumeIntegralInRange(0, 3) > 0) return Memory::make(Device::cpu(), any_rule(data), patterns, arrays);
  AdaptiveSimilarity similarity = any_similarity(data, patterns.columns);
  similarity.log_prior = arrays.log_prior;
  return Memory::adaptive(Device::cpu(), patterns, similarity, {.contents = arrays.contents});
}

inline Update any_update(FuzzedDataProvider& data) {
  switch (data.ConsumeIntegralInRange(0, 4)) {
    case 0: return tanh_update(any_float(data));
    case 1: return sign_update(data.PickValueInArray({AtZero::keep, AtZero::zero, AtZero::plus}));
    case 2: return asynchronous_sign_update(data.ConsumeIntegral<std::uint64_t>());
    case 3: return readout_update();
    default: return blend_update(any_float(data));
  }
}

inline RelaxerOptions any_options(FuzzedDataProvider& data) {
  RelaxerOptions options;
  if (data.ConsumeBool()) options.update = any_update(data);
  if (data.ConsumeBool())
    options.halting = data.PickValueInArray(
        {energy_stable({.relative = 1e-3F}), state_stable(0.1F), fixed_steps(), energy_stable({.absolute = -1.0F})});
  options.max_steps = data.ConsumeIntegralInRange(0, 6);
  options.energies = data.ConsumeBool();
  options.energy_trace = data.ConsumeIntegralInRange(0, 3) == 0;
  options.threads = data.ConsumeIntegralInRange(0, 3);
  return options;
}

/// What may come with a call, for so many queries.
class AnyCall {
 public:
  AnyCall(FuzzedDataProvider& data, Index queries, Index dimension, Index patterns) {
    const auto has = [&] { return data.ConsumeIntegralInRange(0, 3) == 0; };
    const auto rows = [&] { return data.ConsumeBool() ? queries : Index{1}; };
    if (has()) clamped_ = any_mask(data, queries, dimension);
    if (has()) valid_ = any_mask(data, rows(), patterns);
    if (has()) log_prior_ = any_matrix(data, rows(), patterns, false);
    if (has()) betas_ = any_floats(data, data.ConsumeIntegralInRange<Index>(1, 4));
  }

  /// For queries [first, first + count).
  [[nodiscard]] RelaxCall view(Index first, Index count) const {
    return {.clamped = some(clamped_, first, count),
            .valid_patterns = some(valid_, first, count),
            .log_prior = some(log_prior_, first, count),
            .betas = betas_};
  }

 private:
  /// The rows of these queries, or the one that holds for all.
  template <class T>
  static MatrixView<const T> some(const Matrix<T>& rows, Index first, Index count) {
    return rows.rows() <= 1 ? rows.view() : rows.view().slice(first, count);
  }

  Matrix<std::uint8_t> clamped_;
  Matrix<std::uint8_t> valid_;
  Matrix<float> log_prior_;
  std::vector<float> betas_;
};

}  // namespace attractor::fuzz
