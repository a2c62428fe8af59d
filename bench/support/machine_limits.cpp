#include "bench/support/machine_limits.hpp"

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "bench/support/timing.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/support/machine_limits.cpp"
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

/// Chains of multiply-adds, more than wait for one another; returns operations of one lane times the lanes.
double run_multiply_adds(int rounds) {
  using Floats = hn::CappedTag<float, 16>;
  using Vector = hn::Vec<Floats>;
  constexpr int chains = 12;
  const Floats floats;
  const Vector factor = hn::Set(floats, 0.999F);
  const Vector step = hn::Set(floats, 1e-3F);
  Vector sums[chains];
  for (int c = 0; c < chains; ++c) sums[c] = hn::Set(floats, static_cast<float>(c));
  for (int round = 0; round < rounds; ++round) {
    HWY_UNROLL(12)
    for (int c = 0; c < chains; ++c) sums[c] = hn::MulAdd(sums[c], factor, step);
  }
  Vector all = sums[0];
  for (int c = 1; c < chains; ++c) all = hn::Add(all, sums[c]);
  [[maybe_unused]] const volatile float kept = hn::GetLane(all);  // else nothing would have to be computed
  return 2.0 * chains * rounds * static_cast<double>(hn::Lanes(floats));
}

/// Chains of lookups that say what is looked up next; returns lookups of one lane times the lanes.
double run_table_lookups(int rounds) {
  using Bytes = hn::CappedTag<std::uint8_t, 64>;
  using Vector = hn::Vec<Bytes>;
  constexpr int chains = 12;
  const Bytes bytes;
  const Vector table = hn::And(hn::Iota(bytes, std::uint8_t{0}), hn::Set(bytes, std::uint8_t{15}));
  const Vector step = hn::Set(bytes, std::uint8_t{5});
  Vector picks[chains];
  for (int c = 0; c < chains; ++c) picks[c] = hn::Set(bytes, static_cast<std::uint8_t>(c));
  for (int round = 0; round < rounds; ++round) {
    HWY_UNROLL(12)
    for (int c = 0; c < chains; ++c) picks[c] = hn::Xor(hn::TableLookupBytes(table, picks[c]), step);
  }
  Vector all = picks[0];
  for (int c = 1; c < chains; ++c) all = hn::Add(all, picks[c]);
  [[maybe_unused]] const volatile std::uint8_t kept = hn::GetLane(all);  // else nothing would have to be computed
  return static_cast<double>(chains) * rounds * static_cast<double>(hn::Lanes(bytes));
}

}  // namespace
}  // namespace attractor::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attractor::bench {

HWY_EXPORT(run_float_comparators);
HWY_EXPORT(run_integer_comparators);
HWY_EXPORT(run_multiply_adds);
HWY_EXPORT(run_table_lookups);

namespace {

constexpr int rounds = 10'000'000;

/// What run(rounds) counts on all threads, a second.
template <class Run>
double per_second(const Run& run, int threads) {
  double count = 0.0;
  const double time = seconds([&] {
#pragma omp parallel num_threads(threads) reduction(+ : count)
    count += run(rounds);
  });
  return count / time;
}

}  // namespace

double comparator_limit(int threads) {
  return std::max(per_second(HWY_DYNAMIC_DISPATCH(run_float_comparators), threads),
                  per_second(HWY_DYNAMIC_DISPATCH(run_integer_comparators), threads));
}

double multiply_add_limit(int threads) { return per_second(HWY_DYNAMIC_DISPATCH(run_multiply_adds), threads); }

double table_lookup_limit() {
  double count = 0.0;
  const double time = processor_seconds([&] { count = HWY_DYNAMIC_DISPATCH(run_table_lookups)(rounds); });
  return count / time;
}

}  // namespace attractor::bench
#endif
