#include "bench/support/min_max.hpp"

#include <omp.h>

#include "bench/support/timing.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/support/min_max.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attractor::bench::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;

HWY_INLINE void exchange(Vector& first, Vector& second) {
  const Vector smaller = hn::Min(first, second);
  first = hn::Max(first, second);
  second = smaller;
}

/// Runs layers of four comparators on eight vectors; returns the comparators of one lane times the lanes. Neighbours
/// change from layer to layer, so that no layer undoes another.
double run_comparators(int rounds) {
  const Floats floats;
  Vector a = hn::Iota(floats, 0.0F);
  Vector b = hn::Iota(floats, 1.0F);
  Vector c = hn::Iota(floats, 2.0F);
  Vector d = hn::Iota(floats, 3.0F);
  Vector e = hn::Iota(floats, 4.0F);
  Vector f = hn::Iota(floats, 5.0F);
  Vector g = hn::Iota(floats, 6.0F);
  Vector h = hn::Iota(floats, 7.0F);
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
  [[maybe_unused]] const volatile float kept = hn::GetLane(all);  // else nothing would have to be computed
  return 8.0 * rounds * static_cast<double>(hn::Lanes(floats));
}

}  // namespace
}  // namespace attractor::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::bench {

HWY_EXPORT(run_comparators);

double comparator_limit(int threads) {
  constexpr int rounds = 20'000'000;
  double comparators = 0.0;
  const double time = seconds([&] {
#pragma omp parallel num_threads(threads) reduction(+ : comparators)
    comparators += HWY_DYNAMIC_DISPATCH(run_comparators)(rounds);
  });
  return comparators / time;
}

}  // namespace attractor::bench
#endif
