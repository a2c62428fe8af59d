#include "kernels/cpu/pointwise/double_rows.hpp"

#include <array>
#include <cstddef>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pointwise/double_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::CappedTag<double, 8>;
using DoubleVector = hn::Vec<Doubles>;
inline constexpr Doubles doubles;

/// Sums that don't wait for one another.
constexpr std::size_t chains = 16;
constexpr std::size_t step = hn::MaxLanes(doubles);

HWY_INLINE DoubleVector load(const double* from) { return hn::LoadU(doubles, from); }
HWY_INLINE DoubleVector load(const float* from) {
  return hn::PromoteTo(doubles, hn::LoadU(hn::Rebind<float, Doubles>(), from));
}

template <class A, class B>
double product(const A* a, const B* b, std::size_t count) {
  DoubleVector vectors[chains / step];
  for (DoubleVector& vector : vectors) vector = hn::Zero(doubles);
  std::size_t i = 0;
  for (; i + chains <= count; i += chains)
    for (std::size_t v = 0; v < chains / step; ++v)
      vectors[v] = hn::Add(vectors[v], hn::Mul(load(a + i + v * step), load(b + i + v * step)));
  std::array<double, chains> sums;
  for (std::size_t v = 0; v < chains / step; ++v) hn::StoreU(vectors[v], doubles, sums.data() + v * step);
  for (; i < count; ++i) sums[i % chains] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

template <class T>
void add(double* sums, double factor, const T* row, std::size_t count) {
  const DoubleVector factors = hn::Set(doubles, factor);
  std::size_t i = 0;
  for (; i + step <= count; i += step)
    hn::StoreU(hn::Add(load(sums + i), hn::Mul(factors, load(row + i))), doubles, sums + i);
  for (; i < count; ++i) sums[i] += factor * static_cast<double>(row[i]);
}

}  // namespace

double dot_floats(const float* a, const float* b, std::size_t count) { return product(a, b, count); }
double dot_mixed(const float* a, const double* b, std::size_t count) { return product(a, b, count); }
double dot_doubles(const double* a, const double* b, std::size_t count) { return product(a, b, count); }
void add_floats(double* sums, double factor, const float* row, std::size_t count) { add(sums, factor, row, count); }
void add_doubles(double* sums, double factor, const double* row, std::size_t count) { add(sums, factor, row, count); }

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::cpu {

HWY_EXPORT(dot_floats);
HWY_EXPORT(dot_mixed);
HWY_EXPORT(dot_doubles);
HWY_EXPORT(add_floats);
HWY_EXPORT(add_doubles);

double dot(const float* a, const float* b, Index count) {
  return HWY_DYNAMIC_DISPATCH(dot_floats)(a, b, static_cast<std::size_t>(count));
}
double dot(const float* a, const double* b, Index count) {
  return HWY_DYNAMIC_DISPATCH(dot_mixed)(a, b, static_cast<std::size_t>(count));
}
double dot(const double* a, const double* b, Index count) {
  return HWY_DYNAMIC_DISPATCH(dot_doubles)(a, b, static_cast<std::size_t>(count));
}

void add_scaled(double* sums, double factor, const float* row, Index count) {
  HWY_DYNAMIC_DISPATCH(add_floats)(sums, factor, row, static_cast<std::size_t>(count));
}
void add_scaled(double* sums, double factor, const double* row, Index count) {
  HWY_DYNAMIC_DISPATCH(add_doubles)(sums, factor, row, static_cast<std::size_t>(count));
}

}  // namespace attractor::cpu
#endif
