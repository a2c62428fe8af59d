#include "bench/support/min_max.hpp"

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "bench/support/timing.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/support/min_max.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attractor::bench::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <class Vector>
HWY_INLINE void exchange(Vector& first, Vector& second) {
  const Vector smaller = hn::Min(first, second);
  first = hn::Max(first, second);
  second = smaller;
}

/// Runs layers of four comparators on eight vectors; returns the comparators of one lane times the lanes. Neighbours
/// change from layer to layer, so that no layer undoes another.
template <class Tag>
double run_comparators(int rounds) {
  using T = hn::TFromD<Tag>;
  using Vector = hn::Vec<Tag>;
  const Tag tag;
  Vector a = hn::Iota(tag, T{0});
  Vector b = hn::Iota(tag, T{1});
  Vector c = hn::Iota(tag, T{2});
  Vector d = hn::Iota(tag, T{3});
  Vector e = hn::Iota(tag, T{4});
  Vector f = hn::Iota(tag, T{5});
  Vector g = hn::Iota(tag, T{6});
  Vector h = hn::Iota(tag, T{7});
  for (int round = 0; round < rounds; ++round) {
    exchange(a, b);
    exchange(c, d);
    exchange(e, f);
    exchange(g, h);
    exchange(b, c);
    exchange(d, e);
    exchange(f, g);
    exchange(h, a);
  }
  const Vector all = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, d)), hn::Add(hn::Add(e, f), hn::Add(g, h)));
  [[maybe_unused]] const volatile T kept = hn::GetLane(all);  // else nothing would have to be computed
  return 8.0 * rounds * static_cast<double>(hn::Lanes(tag));
}

double run_float_comparators(int rounds) { return run_comparators<hn::CappedTag<float, 16>>(rounds); }
double run_integer_comparators(int rounds) { return run_comparators<hn::CappedTag<std::int32_t, 16>>(rounds); }

}  // namespace
}  // namespace attractor::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::bench {

HWY_EXPORT(run_float_comparators);
HWY_EXPORT(run_integer_comparators);

namespace {

template <class Run>
double comparators_per_second(const Run& run, int threads) {
  constexpr int rounds = 10'000'000;
  double comparators = 0.0;
  const double time = seconds([&] {
#pragma omp parallel num_threads(threads) reduction(+ : comparators)
    comparators += run(rounds);
  });
  return comparators / time;
}

}  // namespace

double comparator_limit(int threads) {
  return std::max(comparators_per_second(HWY_DYNAMIC_DISPATCH(run_float_comparators), threads),
                  comparators_per_second(HWY_DYNAMIC_DISPATCH(run_integer_comparators), threads));
}

}  // namespace attractor::bench
#endif
