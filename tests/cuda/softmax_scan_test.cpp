/// The softmax scan on a CUDA device against sums in double precision, and what its header promises of rows and bits.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/error.hpp>
#include <attractor/narrow_floats.hpp>

#include "kernels/cuda/device/half_matrix.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/softmax/softmax_scan.hpp"
#include "kernels/cuda/softmax/tensor_scan.hpp"
#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// What device memory holds before a scan: no result looks like it.
constexpr float untouched = -12345.0F;

/// What scores and readouts are products of; rounded ones are of the high halves alone.
enum class Products : unsigned char { floats, halves, rounded };

struct SoftmaxMemory {
  Products products = Products::floats;
  Matrix<float> patterns;
  Matrix<float> contents;  ///< empty: the patterns themselves
  float beta = 1.0F;
  int splits = 1;
  Index run_patterns = 0;  ///< 0: no runs
  std::vector<float> offsets = {};
  std::vector<float> log_priors = {};

  [[nodiscard]] MatrixView<const float> readout_matrix() const {
    return contents.empty() ? patterns.view() : contents.view();
  }
};

/// What a call says, by row; each may be empty.
struct CallTerms {
  Matrix<std::uint8_t> valid = {};
  Matrix<float> log_priors = {};
  std::vector<float> betas = {};  ///< for rows that have taken so many steps
  std::vector<std::int32_t> steps = {};
};

/// m, l and r of all splits and rows, as the device left them.
struct Scan {
  Index rows = 0;
  int splits = 0;
  Index readout_stride = 0;
  std::vector<float> maxima = {};
  std::vector<double> sums = {};
  std::vector<float> readouts = {};

  [[nodiscard]] std::size_t at(int split, Index row) const { return static_cast<std::size_t>(split * rows + row); }
  [[nodiscard]] const float* readout(int split, Index row) const {
    return readouts.data() + static_cast<Index>(at(split, row)) * readout_stride;
  }
};

Index padded(Index columns) { return (columns + 3) / 4 * 4; }

cuda::DeviceArray<float> upload_padded(MatrixView<const float> values, float padding, const std::string& purpose) {
  std::vector<float> rows(static_cast<std::size_t>(values.rows * padded(values.columns)), padding);
  for (Index i = 0; i < values.rows; ++i)
    std::copy_n(values.row(i), values.columns, rows.begin() + i * padded(values.columns));
  return cuda::upload(std::span<const float>(rows), purpose);
}

template <class T>
cuda::DeviceArray<T> poisoned(std::size_t count, const std::string& purpose) {
  return cuda::upload(std::span<const T>(std::vector<T>(count, T{untouched})), purpose);
}

template <class T>
std::vector<T> download(const cuda::DeviceArray<T>& array) {
  std::vector<T> values(array.size());
  cuda::check(cudaMemcpy(values.data(), array.data(), array.bytes(), cudaMemcpyDeviceToHost), "cudaMemcpy of results");
  return values;
}

template <class T>
std::span<const T> entries(const Matrix<T>& matrix) {
  return {matrix.data(), static_cast<std::size_t>(matrix.size())};
}

cuda::HalfMatrix halve(const SoftmaxMemory& memory, MatrixView<const float> values) {
  return memory.products == Products::floats ? cuda::HalfMatrix()
                                             : cuda::HalfMatrix(cuda::DeviceMatrix(values, "floats"), "halves");
}

/// Scans the first `row_count` states; what states' rows have between their columns and the stride is NaN.
Scan scan(const SoftmaxMemory& memory, const Matrix<float>& states, int row_count, const CallTerms& terms = {}) {
  const MatrixView<const float> contents = memory.readout_matrix();
  const cuda::DeviceArray<float> x = upload_padded(states, nan, "states");
  const cuda::DeviceArray<float> a = upload_padded(memory.patterns, 0.0F, "patterns");
  const cuda::DeviceArray<float> c = upload_padded(contents, 0.0F, "contents");
  const cuda::HalfMatrix a_halves = halve(memory, memory.patterns);
  const cuda::HalfMatrix c_halves = halve(memory, contents);
  Scan result{.rows = states.rows(), .splits = memory.splits, .readout_stride = padded(contents.columns)};
  const auto results = static_cast<std::size_t>(memory.splits * states.rows());
  const cuda::DeviceArray<float> m = poisoned<float>(results, "maxima");
  const cuda::DeviceArray<double> l = poisoned<double>(results, "sums");
  const std::size_t readouts = results * static_cast<std::size_t>(result.readout_stride);
  const cuda::DeviceArray<float> r = poisoned<float>(readouts, "readouts");
  const cuda::DeviceArray<float> remainders = poisoned<float>(memory.run_patterns > 0 ? readouts : 0, "remainders");
  const cuda::DeviceArray<float> offsets = cuda::upload(std::span(memory.offsets), "offsets");
  const cuda::DeviceArray<float> log_priors = cuda::upload(std::span(memory.log_priors), "log-priors");
  const auto valid = cuda::upload(entries(terms.valid), "valid patterns");
  const auto row_priors = cuda::upload(entries(terms.log_priors), "log-priors of rows");
  const cuda::DeviceArray<float> betas = cuda::upload(std::span(terms.betas), "betas");
  const cuda::DeviceArray<std::int32_t> steps = cuda::upload(std::span(terms.steps), "steps");

  cuda::SoftmaxScan arguments;
  arguments.states = x.data();
  arguments.state_stride = padded(states.columns());
  arguments.rows = row_count;
  arguments.patterns = a.data();
  arguments.pattern_stride = padded(memory.patterns.columns());
  arguments.contents = memory.contents.empty() ? a.data() : c.data();
  arguments.content_stride = padded(contents.columns);
  arguments.pattern_halves = a_halves.view();
  arguments.content_halves = memory.contents.empty() ? a_halves.view() : c_halves.view();
  if (memory.products == Products::rounded) arguments.products = cuda::Products::rounded;
  arguments.pattern_count = memory.patterns.rows();
  arguments.dimension = static_cast<int>(memory.patterns.columns());
  arguments.content_columns = static_cast<int>(contents.columns);
  arguments.beta = memory.beta;
  arguments.offsets = {offsets.data(), log_priors.data()};
  const Index count = arguments.pattern_count;
  arguments.terms = {.patterns = {.valid = {valid.data(), terms.valid.rows(), count},
                                  .log_prior = {row_priors.data(), terms.log_priors.rows(), count}},
                     .schedule = {betas.data(), static_cast<int>(betas.size())},
                     .steps = steps.data()};
  arguments.splits = memory.splits;
  arguments.maxima = m.data();
  arguments.sums = l.data();
  arguments.readouts = r.data();
  arguments.capacity = states.rows();
  arguments.readout_stride = result.readout_stride;
  if (memory.run_patterns > 0) {
    arguments.run_patterns = memory.run_patterns;
    arguments.remainders = remainders.data();
  }
  cuda::launch_softmax_scan(arguments, nullptr);

  result.maxima = download(m);
  result.sums = download(l);
  result.readouts = download(r);
  return result;
}

Scan scan(const SoftmaxMemory& memory, const Matrix<float>& states) {
  return scan(memory, states, static_cast<int>(states.rows()));
}

/// lse = ln Σ exp(β a_μ·x) and u = Σ exp(β a_μ·x) c_μ / Σ exp(β a_μ·x).
struct Readout {
  double log_sum = 0.0;
  std::vector<double> values;
};

/// The splits put together.
Readout combine(const Scan& scan, Index row, Index columns) {
  double largest = -std::numeric_limits<double>::infinity();
  for (int s = 0; s < scan.splits; ++s) largest = std::max<double>(largest, scan.maxima[scan.at(s, row)]);
  double sum = 0.0;
  Readout readout{.values = std::vector<double>(static_cast<std::size_t>(columns))};
  for (int s = 0; s < scan.splits; ++s) {
    const double scale = std::exp(scan.maxima[scan.at(s, row)] - largest);
    sum += scale * scan.sums[scan.at(s, row)];
    for (std::size_t j = 0; j < readout.values.size(); ++j) readout.values[j] += scale * scan.readout(s, row)[j];
  }
  for (double& value : readout.values) value /= sum;
  readout.log_sum = largest + std::log(sum);
  return readout;
}

double dot(const float* a, const float* b, Index count) {
  double sum = 0.0;
  for (Index i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

double norm(const float* a, Index count) { return std::sqrt(dot(a, a, count)); }

Readout expected_readout(const SoftmaxMemory& memory, const std::vector<double>& scores) {
  const MatrixView<const float> contents = memory.readout_matrix();
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  Readout readout{.values = std::vector<double>(static_cast<std::size_t>(contents.columns))};
  for (Index mu = 0; mu < contents.rows; ++mu) {
    const double weight = std::exp(scores[static_cast<std::size_t>(mu)] - largest);
    sum += weight;
    for (Index j = 0; j < contents.columns; ++j)
      readout.values[static_cast<std::size_t>(j)] += weight * contents(mu, j);
  }
  for (double& value : readout.values) value /= sum;
  readout.log_sum = largest + std::log(sum);
  return readout;
}

/// Of a state with a pattern, at β.
double plain_score(const SoftmaxMemory& memory, const float* state, Index mu, double beta) {
  const auto i = static_cast<std::size_t>(mu);
  double score = beta * dot(memory.patterns.row(mu), state, memory.patterns.columns());
  if (!memory.offsets.empty()) score += beta / memory.beta * memory.offsets[i];
  if (!memory.log_priors.empty()) score += memory.log_priors[i];
  return score;
}

Readout expected_readout(const SoftmaxMemory& memory, const float* state) {
  std::vector<double> scores;
  for (Index mu = 0; mu < memory.patterns.rows(); ++mu) scores.push_back(plain_score(memory, state, mu, memory.beta));
  return expected_readout(memory, scores);
}
/// In units of u = 2⁻²⁴, what a sum of products errs by over ‖a‖ ‖x‖, and a readout's products over Σ w|c|: as
/// tensor_scan_block.cuh derives them for tensor cores.
double score_units(const SoftmaxMemory& memory) {
  const auto dimension = static_cast<double>(memory.patterns.columns());
  if (memory.products == Products::floats) return dimension;
  const double step = 2.0 * (std::min(dimension, 16.0) + 4.0);
  if (memory.products == Products::rounded)
    return 0x1p14 + 5.0 + step * std::ceil(dimension / 16.0) + std::sqrt(dimension) / 8.0;
  return step + 9.0 + dimension / 16.0 + std::sqrt(dimension) / 8.0;
}
double readout_units(const SoftmaxMemory& memory) {
  if (memory.products == Products::floats) return 0.0;
  return memory.products == Products::halves ? 89.0 : 0x1p14 + 4.0 + 89.0;
}

/// The largest magnitude of what is added to scores, −∞ apart.
double shift_size(const SoftmaxMemory& memory) {
  double size = 0.0;
  for (const std::vector<float>* shifts : {&memory.offsets, &memory.log_priors})
    for (const float shift : *shifts)
      if (std::isfinite(shift)) size = std::max<double>(size, std::abs(shift));
  return size;
}

/// A score errs by at most σ = (units + 4) u β max‖a‖ ‖x‖, a weight relatively by e^2σ − 1 + 16u (score and maximum;
/// exponential, rescaling, cutoff), a sum of P of them by Pu more. What is added to scores rounds in units of the sum.
void expect_agreement(const SoftmaxMemory& memory, const float* state, const Readout& actual, const Readout& expected,
                      double beta) {
  const MatrixView<const float> contents = memory.readout_matrix();
  const Index dimension = memory.patterns.columns();
  double longest = 0.0;
  for (Index mu = 0; mu < memory.patterns.rows(); ++mu)
    longest = std::max(longest, norm(memory.patterns.row(mu), dimension));
  const double largest = std::abs(*std::max_element(contents.data, contents.data + contents.rows * contents.columns,
                                                    [](float a, float b) { return std::abs(a) < std::abs(b); }));
  const double score_error = (score_units(memory) + 4.0) * 0x1p-24 * beta * longest * norm(state, dimension) +
                             4.0 * 0x1p-24 * shift_size(memory);
  const double weight_error =
      std::expm1(2.0 * score_error) + static_cast<double>(memory.patterns.rows() + 16) * 0x1p-24;
  ASSERT_NEAR(actual.log_sum, expected.log_sum, score_error + weight_error + 0x1p-24 * std::abs(expected.log_sum));
  for (std::size_t j = 0; j < expected.values.size(); ++j)
    ASSERT_NEAR(actual.values[j], expected.values[j], (2.0 * weight_error + readout_units(memory) * 0x1p-24) * largest)
        << j;
}

void expect_agreement(const SoftmaxMemory& memory, const Matrix<float>& states) {
  const Scan result = scan(memory, states);
  for (Index row = 0; row < states.rows(); ++row) {
    SCOPED_TRACE("row " + std::to_string(row));
    expect_agreement(memory, states.row(row), combine(result, row, memory.readout_matrix().columns),
                     expected_readout(memory, states.row(row)), memory.beta);
  }
}

/// m, l and r of a row, all splits.
std::vector<double> row_results(const Scan& scan, Index row) {
  std::vector<double> results;
  for (int split = 0; split < scan.splits; ++split) {
    results.push_back(scan.maxima[scan.at(split, row)]);
    results.push_back(scan.sums[scan.at(split, row)]);
    results.insert(results.end(), scan.readout(split, row), scan.readout(split, row) + scan.readout_stride);
  }
  return results;
}

/// All results of row `i` of `a` are those of row `j` of `b`.
testing::AssertionResult same_row(const Scan& a, Index i, const Scan& b, Index j) {
  const std::vector<double> first = row_results(a, i);
  const std::vector<double> second = row_results(b, j);
  if (std::memcmp(first.data(), second.data(), first.size() * sizeof(double)) == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "row " << i << " and row " << j << " differ";
}

struct Shape {
  Index patterns;
  Index dimension;
  Index content_columns;  ///< 0: auto-associative
  Index rows;
  int splits;
  float beta;
};

SoftmaxMemory random_memory(const Shape& shape, Rng& rng, Products products) {
  SoftmaxMemory memory;
  memory.products = products;
  memory.patterns = random_gaussian(shape.patterns, shape.dimension, rng);
  if (shape.content_columns > 0) memory.contents = random_gaussian(shape.patterns, shape.content_columns, rng);
  memory.beta = shape.beta;
  memory.splits = shape.splits;
  return memory;
}

class CudaSoftmaxScanShapeTest : public testing::TestWithParam<std::tuple<Products, Shape>> {};

TEST_P(CudaSoftmaxScanShapeTest, AgreesWithDoublePrecision) {
  const auto& [products, shape] = GetParam();
  if (!cuda::softmax_scan_fits(static_cast<int>(shape.dimension)))
    GTEST_SKIP() << "a block of this device hasn't the shared memory for " << shape.dimension << " dimensions";
  Rng rng(1);
  const SoftmaxMemory memory = random_memory(shape, rng, products);
  expect_agreement(memory, noisy_copies(memory.patterns, shape.rows, 0.2F, 1.0F, rng));
}

/// Patterns and states around the tiles' edges, dimensions that are no multiple of anything, more splits than tiles.
const auto all_products = testing::Values(Products::floats, Products::halves, Products::rounded);

INSTANTIATE_TEST_SUITE_P(
    AutoAssociative, CudaSoftmaxScanShapeTest,
    testing::Combine(all_products, testing::Values(Shape{1, 1, 0, 1, 1, 1.0F}, Shape{2, 3, 0, 5, 3, 1.0F},
                                                   Shape{31, 4, 0, 63, 1, 0.5F}, Shape{32, 5, 0, 64, 2, 1.0F},
                                                   Shape{33, 15, 0, 65, 2, 0.5F}, Shape{63, 16, 0, 31, 5, 0.3F},
                                                   Shape{64, 17, 0, 33, 3, 0.3F}, Shape{65, 63, 0, 9, 2, 0.1F},
                                                   Shape{200, 64, 0, 100, 3, 0.1F}, Shape{300, 65, 0, 40, 4, 4.0F},
                                                   Shape{97, 100, 0, 7, 1, 0.1F}, Shape{97, 129, 0, 7, 2, 0.1F},
                                                   Shape{150, 256, 0, 70, 2, 0.05F}, Shape{70, 400, 0, 34, 1, 0.05F})));

INSTANTIATE_TEST_SUITE_P(
    HeteroAssociative, CudaSoftmaxScanShapeTest,
    testing::Combine(all_products,
                     testing::Values(Shape{1, 1, 1, 1, 1, 1.0F}, Shape{33, 7, 1, 65, 1, 0.5F},
                                     Shape{100, 64, 1, 10, 2, 0.1F}, Shape{64, 3, 33, 20, 5, 0.5F},
                                     Shape{100, 64, 64, 66, 2, 0.1F}, Shape{100, 10, 130, 33, 3, 0.3F},
                                     Shape{70, 20, 300, 40, 2, 0.2F}, Shape{70, 256, 256, 5, 1, 0.05F},
                                     Shape{40, 300, 300, 5, 1, 0.05F}, Shape{40, 440, 300, 35, 2, 0.05F})));

class CudaSoftmaxScanTest : public testing::TestWithParam<Products> {};

INSTANTIATE_TEST_SUITE_P(Products, CudaSoftmaxScanTest, all_products);

/// Patterns 0 and −1 and contents 0 and 1 read out the one weight e^−x, from scores without error. The bound is that of
/// ex2.approx, 2 units in the last place, and of one rounding; on tensor cores of three of x instead, and of 11 bits
/// that x and the weight may have. With two patterns, weights below 2⁻²⁶ are 0.
TEST_P(CudaSoftmaxScanTest, WeightsAreExponentials) {
  SoftmaxMemory memory;

  memory.products = GetParam();
  memory.patterns = matrix({{0.0F}, {-1.0F}});
  memory.contents = matrix({{0.0F}, {1.0F}});
  Matrix<float> states(600, 1);
  for (Index row = 0; row < states.rows(); ++row) states(row, 0) = 0x1.04p-5F * static_cast<float>(row);
  const Scan result = scan(memory, states);

  for (Index row = 0; row < states.rows(); ++row) {
    const double weight = std::exp(-static_cast<double>(states(row, 0)));
    const float actual = result.readout(0, row)[0];
    const bool counts = weight > 0x1p-26;
    const double rounding = memory.products == Products::rounded ? 0x1.01p-11 * (1.0 + states(row, 0)) : 0.0;
    const double bound = memory.products == Products::floats
                             ? 6.0 * 0x1p-24 * weight
                             : ((4.0 + 3.0 * states(row, 0)) * 0x1p-24 + rounding) * weight + 0x1p-40;
    EXPECT_NEAR(actual, counts ? weight : 0.0, counts ? bound : 0.0) << "e^-" << states(row, 0);
  }
}

/// Equal weights: the sum of many, and a maximum that never rises again.
TEST_P(CudaSoftmaxScanTest, SumsManyEqualWeights) {
  SoftmaxMemory memory;

  memory.products = GetParam();
  memory.patterns = Matrix<float>(5000, 4);
  std::fill_n(memory.patterns.data(), memory.patterns.size(), 0.5F);
  Rng rng(2);
  const Scan result = scan(memory, random_gaussian(3, 4, rng));

  for (Index row = 0; row < 3; ++row) {
    EXPECT_EQ(result.sums[result.at(0, row)], 5000.0);
    EXPECT_EQ(result.readout(0, row)[0], 2500.0F);
  }
}

/// Tiles whose weights all vanish are skipped; the answer is the nearest pattern.
TEST_P(CudaSoftmaxScanTest, LargeBetaRecallsThePattern) {
  Rng rng(3);
  SoftmaxMemory memory;

  memory.products = GetParam();
  memory.patterns = random_bipolar(300, 64, rng);
  memory.beta = 20.0F;
  memory.splits = 2;
  const Matrix<float> states = flipped_copies(memory.patterns, 70, 0.05, rng);
  const Scan result = scan(memory, states);

  for (Index row = 0; row < states.rows(); ++row) {
    const Readout readout = combine(result, row, 64);
    for (std::size_t j = 0; j < 64; ++j) EXPECT_EQ(readout.values[j], memory.patterns.row(row)[j]) << "row " << row;
  }
}

TEST_P(CudaSoftmaxScanTest, EmptySplitsHaveNoWeight) {
  Rng rng(4);
  const SoftmaxMemory memory = random_memory({40, 6, 0, 3, 5, 1.0F}, rng, GetParam());
  const Scan result = scan(memory, random_gaussian(3, 6, rng));

  int empty = 0;
  for (int split = 0; split < 5; ++split) {
    if (result.maxima[result.at(split, 0)] != -infinity) continue;
    ++empty;
    for (Index row = 0; row < 3; ++row) {
      EXPECT_EQ(result.maxima[result.at(split, row)], -infinity);
      EXPECT_EQ(result.sums[result.at(split, row)], 0.0);
      for (Index j = 0; j < 6; ++j) EXPECT_EQ(result.readout(split, row)[j], 0.0F);
    }
  }
  EXPECT_EQ(empty, 3) << "40 patterns are two tiles";
}

TEST_P(CudaSoftmaxScanTest, RowsBeyondTheCountAreLeftAlone) {
  Rng rng(5);
  const SoftmaxMemory memory = random_memory({50, 10, 0, 0, 2, 0.3F}, rng, GetParam());
  const Matrix<float> states = random_gaussian(150, 10, rng);
  const Scan all = scan(memory, states);
  for (const int count : {0, 1, 64, 70}) {
    const Scan some = scan(memory, states, count);
    for (Index row = 0; row < count; ++row) EXPECT_TRUE(same_row(some, row, all, row)) << count << " rows";
    for (int split = 0; split < 2; ++split)
      for (Index row = count; row < states.rows(); ++row) {
        EXPECT_EQ(some.maxima[some.at(split, row)], untouched);
        EXPECT_EQ(some.sums[some.at(split, row)], double{untouched});
        EXPECT_TRUE(std::all_of(some.readout(split, row), some.readout(split, row) + some.readout_stride,
                                [](float value) { return value == untouched; }));
      }
  }
}

/// Small β, where every weight counts, and large, where votes skip most of the readout.
TEST_P(CudaSoftmaxScanTest, BitsDontDependOnTheBatch) {
  for (const auto& [beta, dimension] : {std::pair{0.05F, 33}, std::pair{8.0F, 33}, std::pair{0.05F, 150}})
    for (const Index columns : {0, 5, 300}) {
      if (!cuda::softmax_scan_fits(dimension)) continue;
      Rng rng(6);
      const SoftmaxMemory memory = random_memory({170, dimension, columns, 0, 2, beta}, rng, GetParam());
      const Matrix<float> states = noisy_copies(memory.patterns, 130, 0.1F, 1.0F, rng);
      const std::vector<Index> order = random_permutation(states.rows(), rng);
      const Scan all = scan(memory, states);
      const Scan permuted = scan(memory, select(states, order));
      for (Index row = 0; row < states.rows(); ++row)
        EXPECT_TRUE(same_row(permuted, row, all, order[static_cast<std::size_t>(row)]));
      for (const Index row : {Index{0}, Index{77}}) {
        const std::vector<Index> alone = {row};
        EXPECT_TRUE(same_row(scan(memory, select(states, alone)), 0, all, row));
      }
    }
}

TEST_P(CudaSoftmaxScanTest, StatesThatAreNotFiniteStayAlone) {
  for (const float beta : {0.1F, 8.0F})
    for (const float bad : {nan, infinity, -infinity}) {
      Rng rng(7);
      const SoftmaxMemory memory = random_memory({100, 20, 0, 0, 2, beta}, rng, GetParam());
      Matrix<float> states = noisy_copies(memory.patterns, 66, 0.1F, 0.5F, rng);
      const Scan clean = scan(memory, states);
      states(5, 3) = bad;
      const Scan result = scan(memory, states);

      for (Index row = 0; row < states.rows(); ++row) {
        if (row != 5) {
          EXPECT_TRUE(same_row(result, row, clean, row));
        }
      }
      // Alone it has no neighbours that keep tiles from being skipped.
      const std::vector<Index> row_number = {5};
      const Scan alone = scan(memory, select(states, row_number));
      for (int split = 0; split < 2; ++split) {
        EXPECT_TRUE(std::isnan(alone.sums[alone.at(split, 0)])) << bad;
        EXPECT_TRUE(std::isnan(result.sums[result.at(split, 5)])) << bad;
        for (Index j = 0; j < 20; ++j) EXPECT_TRUE(std::isnan(result.readout(split, 5)[j])) << bad;
      }
    }
}

/// Whole tiles, and whole splits, of scores that overflow to −∞ before finite ones, and after: as if they weren't
/// there.
TEST_P(CudaSoftmaxScanTest, PatternsOfNoWeightLeaveNoTrace) {
  Rng rng(9);
  for (const int splits : {1, 3, 4})
    for (const Index first : {0, 50, 96}) {
      SoftmaxMemory memory;

      memory.products = GetParam();
      memory.patterns = Matrix<float>(160, 2);
      memory.contents = random_gaussian(160, 5, rng);
      memory.splits = splits;
      SoftmaxMemory few;

      few.products = GetParam();
      few.patterns = random_gaussian(33, 2, rng);
      few.contents = Matrix<float>(33, 5);
      for (Index i = 0; i < 160; ++i) memory.patterns(i, 0) = memory.patterns(i, 1) = -3e38F;
      for (Index i = 0; i < 33; ++i) {
        std::copy_n(few.patterns.row(i), 2, memory.patterns.row(first + i));
        std::copy_n(memory.contents.row(first + i), 5, few.contents.row(i));
      }
      const Matrix<float> states = matrix({{2, 3}, {3, 1}, {0.5, 4}});

      const Scan all = scan(memory, states);

      for (Index row = 0; row < states.rows(); ++row) {
        const Readout expected = expected_readout(few, states.row(row));
        // Splits as the step puts them together: one without weight may not make NaN of the others.
        const Readout actual = combine(all, row, 5);
        EXPECT_NEAR(actual.log_sum, expected.log_sum, 1e-5) << splits << " splits, from " << first;
        for (std::size_t j = 0; j < 5; ++j) EXPECT_NEAR(actual.values[j], expected.values[j], 1e-5);
      }
    }
}

TEST_P(CudaSoftmaxScanTest, NoScoreAboveMinusInfinityIsNoWeight) {
  SoftmaxMemory memory;

  memory.products = GetParam();
  memory.patterns = Matrix<float>(70, 1);
  std::fill_n(memory.patterns.data(), 70, -3e38F);
  memory.splits = 2;

  const Scan result = scan(memory, matrix({{3.0F}, {1e-30F}}));

  for (int split = 0; split < 2; ++split) {
    EXPECT_EQ(result.maxima[result.at(split, 0)], -infinity);
    EXPECT_EQ(result.sums[result.at(split, 0)], 0.0);
    EXPECT_EQ(result.readout(split, 0)[0], 0.0F);
    EXPECT_GT(result.sums[result.at(split, 1)], 30.0);
  }
}

TEST_P(CudaSoftmaxScanTest, ScoreOfInfinityIsNotANumber) {
  SoftmaxMemory memory;
  memory.products = GetParam();
  constexpr float large = 0x1.8p127F;  // Which 11 bits hold.
  memory.patterns = filled(70, 1, -large);
  memory.patterns(5, 0) = large;
  memory.splits = 2;

  const Scan result = scan(memory, matrix({{3.0F}, {1e-30F}}));

  EXPECT_TRUE(std::isnan(result.sums[result.at(0, 0)]));
  EXPECT_TRUE(std::isnan(result.readout(0, 0)[0]));
  EXPECT_EQ(result.sums[result.at(1, 0)], 0.0);
  EXPECT_EQ(result.sums[result.at(0, 1)], 1.0);
  EXPECT_EQ(result.readout(0, 1)[0], large);
}

/// Offsets, log-priors of −∞ among them, masks and temperatures, all at once and each alone.
TEST_P(CudaSoftmaxScanTest, ShiftedScoresAgreeWithDoublePrecision) {
  Rng rng(10);
  for (const Index columns : {0, 20})
    for (const int what : {1, 2, 4, 8, 16, 31}) {
      SCOPED_TRACE("terms " + std::to_string(what));
      SoftmaxMemory memory = random_memory({75, 40, columns, 0, 2, 0.1F}, rng, GetParam());
      const Matrix<float> states = noisy_copies(memory.patterns, 21, 0.2F, 1.0F, rng);
      const Matrix<float> shifts = random_gaussian(2 + states.rows(), 75, rng);
      CallTerms terms;
      if ((what & 1) != 0) memory.offsets.assign(shifts.row(0), shifts.row(0) + 75);
      if ((what & 2) != 0) {
        memory.log_priors.assign(shifts.row(1), shifts.row(1) + 75);
        memory.log_priors[3] = -infinity;
      }
      if ((what & 4) != 0) terms.valid = random_mask(states.rows(), 75, 0.7, rng);
      if ((what & 8) != 0) terms.log_priors = copy(shifts.view().slice(2, states.rows()));
      if ((what & 16) != 0) {
        terms.betas = {0.05F, 0.3F, 0.1F};
        for (Index row = 0; row < states.rows(); ++row) terms.steps.push_back(static_cast<std::int32_t>(row % 5));
      }
      const Scan result = scan(memory, states, static_cast<int>(states.rows()), terms);

      for (Index row = 0; row < states.rows(); ++row) {
        SCOPED_TRACE("row " + std::to_string(row));
        const double beta = terms.betas.empty()
                                ? memory.beta
                                : terms.betas[std::min<std::size_t>(static_cast<std::size_t>(row % 5), 2)];
        std::vector<double> scores;
        for (Index mu = 0; mu < 75; ++mu) {
          double score = plain_score(memory, states.row(row), mu, beta);
          if (!terms.log_priors.empty()) score += terms.log_priors(row, mu);
          if (!terms.valid.empty() && terms.valid(row, mu) == 0) score = -std::numeric_limits<double>::infinity();
          scores.push_back(score);
        }
        expect_agreement(memory, states.row(row), combine(result, row, memory.readout_matrix().columns),
                         expected_readout(memory, scores), std::max<double>(beta, memory.beta));
      }
    }
}

/// Readouts of runs are put together without a drift, also where the maximum rises late.
TEST_P(CudaSoftmaxScanTest, RunsAgreeWithDoublePrecision) {
  Rng rng(11);
  for (const Index columns : {0, 7}) {
    SoftmaxMemory memory = random_memory({330, 20, columns, 0, 2, 0.3F}, rng, GetParam());
    memory.run_patterns = 64;
    const Matrix<float> states = noisy_copies(memory.patterns, 70, 0.2F, 1.0F, rng);
    expect_agreement(memory, states);
    const Scan runs = scan(memory, states);
    memory.run_patterns = 0;
    const Scan one = scan(memory, states);
    for (Index row = 0; row < states.rows(); ++row) EXPECT_EQ(runs.sums[runs.at(1, row)], one.sums[one.at(1, row)]);
  }
}

/// Of whatever magnitude: each row and the matrix have a unit of their own.
TEST_P(CudaSoftmaxScanTest, MagnitudesDontMatter) {
  Rng rng(12);
  for (const auto& [pattern_size, state_size] :
       {std::pair{1e-15F, 1e15F}, std::pair{1e12F, 1e-13F}, std::pair{3e4F, 1e-4F}, std::pair{1e-25F, 1e25F}}) {
    SCOPED_TRACE(pattern_size);
    SoftmaxMemory memory = random_memory({100, 30, 10, 0, 2, 0.2F}, rng, GetParam());
    Matrix<float> states = noisy_copies(memory.patterns, 40, 0.2F, 1.0F, rng);
    for (Index i = 0; i < memory.patterns.size(); ++i) memory.patterns.data()[i] *= pattern_size;
    for (Index row = 0; row < states.rows(); ++row)
      for (Index k = 0; k < states.columns(); ++k) states(row, k) *= row % 3 == 0 ? 1e-10F * state_size : state_size;
    expect_agreement(memory, states);
  }
}

/// Scores that are small whole numbers have no error at all, and neither has a readout of one pattern.
TEST_P(CudaSoftmaxScanTest, BipolarScoresAreExact) {
  Rng rng(13);
  for (const int dimension : {17, 64, 100, 256}) {
    if (!cuda::softmax_scan_fits(dimension)) continue;
    SoftmaxMemory memory;
    memory.products = GetParam();
    memory.patterns = random_bipolar(70, dimension, rng);
    const Matrix<float> states = flipped_copies(memory.patterns, 70, 0.1, rng);
    const Scan result = scan(memory, states);
    for (Index row = 0; row < states.rows(); ++row) {
      double largest = -std::numeric_limits<double>::infinity();
      for (Index mu = 0; mu < 70; ++mu)
        largest = std::max(largest, dot(memory.patterns.row(mu), states.row(row), dimension));
      EXPECT_EQ(result.maxima[result.at(0, row)], largest);
    }
    expect_agreement(memory, states);
  }
}

/// Scores of thousands: weights depend on their differences alone.
TEST_P(CudaSoftmaxScanTest, LargeScoresHaveAccurateWeights) {
  SoftmaxMemory memory;
  memory.products = GetParam();
  memory.patterns = matrix({{2048.0F, 0.0F}, {2047.0F, 1.0F}, {2046.0F, 2.0F}, {2042.0F, 4.0F}});
  memory.contents =
      matrix({{1.0F, 0.0F, 0.0F, 0.0F}, {0.0F, 1.0F, 0.0F, 0.0F}, {0.0F, 0.0F, 1.0F, 0.0F}, {0, 0, 0, 1}});
  const Scan result = scan(memory, matrix({{1.0F, 0.25F}}));
  for (Index mu = 0; mu < 4; ++mu) {
    const double score = dot(memory.patterns.row(mu), std::vector<float>{1.0F, 0.25F}.data(), 2);
    const double weight = std::exp(score - 2048.0);
    const double rounding = memory.products == Products::rounded ? 0x1p-11 : 0.0;
    EXPECT_NEAR(result.readout(0, 0)[mu], weight, (20.0 * 0x1p-24 + rounding) * weight) << mu;
  }
}

/// To nearest, of 11 bits.
float rounded(float value) {
  if (value == 0.0F) return 0.0F;
  const float scale = std::ldexp(1.0F, 14 - std::ilogb(value));
  return static_cast<float>(static_cast<Float16>(scale * value)) / scale;
}

/// Rounded scans make one product of states, patterns, weights and contents of 11 bits each; sums of weights have all
/// the bits of floats. Other weights of the first lane's are 0, so that its sum is 1 and another lane's its weight.
TEST(CudaTensorScanTest, RoundsEachFactorOnce) {
  if (!cuda::has_tensor_scan(20)) GTEST_SKIP() << "this device's scan is of floats";
  Rng rng(17);
  for (int repeat = 0; repeat < 40; ++repeat) {
    const Matrix<float> random = random_gaussian(1, 3, rng);
    SoftmaxMemory memory;
    memory.products = Products::rounded;
    memory.patterns = filled(3, 20, 0.0F);
    memory.patterns(0, 3) = 1.0F + std::abs(random(0, 0));
    memory.patterns(1, 3) = -100.0F;
    memory.patterns(2, 3) = 0.5F;
    const float content = 1.0F + std::abs(random(0, 1));
    memory.contents = matrix({{content, 0.0F}, {0.0F, 0.0F}, {0.0F, 1.0F}});
    Matrix<float> state = filled(1, 20, 0.0F);
    state(0, 3) = 1.0F + std::abs(random(0, 2));

    const Scan result = scan(memory, state);

    EXPECT_EQ(result.maxima[result.at(0, 0)], rounded(memory.patterns(0, 3)) * rounded(state(0, 3)));
    EXPECT_EQ(result.readout(0, 0)[0], rounded(content));
    const double weight = result.sums[result.at(0, 0)] - 1.0;
    EXPECT_EQ(static_cast<float>(weight), weight);
    EXPECT_EQ(result.readout(0, 0)[1], rounded(static_cast<float>(weight)));
    const double exact = std::exp((0.5 - rounded(memory.patterns(0, 3))) * rounded(state(0, 3)));
    EXPECT_NEAR(weight, exact, 0x1p-18 * exact);
  }
}

/// Halves are as good as floats where rows and columns are of like magnitude, and aren't made where they aren't.
TEST(CudaHalfMatrixTest, HoldsWhatFp16Can) {
  Rng rng(14);
  const auto made = [](const Matrix<float>& values) {
    return cuda::HalfMatrix(cuda::DeviceMatrix(values, "floats"), "halves").view().high != nullptr;
  };
  const auto exact = [](const Matrix<float>& values) {
    return cuda::HalfMatrix(cuda::DeviceMatrix(values, "floats"), "halves").view().low == nullptr;
  };
  const Matrix<float> gaussian = random_gaussian(40, 30, rng);
  EXPECT_TRUE(made(gaussian));
  EXPECT_FALSE(exact(gaussian));
  EXPECT_TRUE(exact(random_bipolar(5, 3, rng)));
  EXPECT_TRUE(exact(matrix({{0.0F, 255.0F}, {17.0F, 0.0F}, {0.0F, 0.0F}})));
  EXPECT_TRUE(exact(matrix({{0x1.8p-65F, 0x1p-65F}})));
  EXPECT_FALSE(made(filled(3, 3, 0.0F)));
  for (const float bad : {0x1p-13F * 30.0F, nan, infinity}) {
    Matrix<float> row = filled(4, 4, 30.0F);
    for (Index j = 0; j < 4; ++j) row(2, j) = bad;
    EXPECT_FALSE(made(row)) << bad;
    Matrix<float> column = filled(4, 4, 30.0F);
    for (Index i = 0; i < 4; ++i) column(i, 2) = bad;
    EXPECT_FALSE(made(column)) << bad;
    Matrix<float> entry = filled(4, 4, 30.0F);
    entry(1, 2) = bad;
    EXPECT_EQ(made(entry), std::isfinite(bad)) << bad;
  }
}

TEST(CudaHalfMatrixTest, TermsAddUpToTheValues) {
  Rng rng(15);
  const Matrix<float> values = random_gaussian(7, 21, rng);
  const cuda::HalfMatrix halves(cuda::DeviceMatrix(values, "floats"), "halves");
  const std::vector<std::uint16_t> bits = download(halves.data);
  ASSERT_EQ(bits.size(), 2U * 7U * 32U);
  for (Index i = 0; i < 7; ++i)
    for (Index j = 0; j < 32; ++j) {
      const auto at = static_cast<std::size_t>(i * 32 + j);
      const auto value = [&](std::size_t term) {
        return halves.unit * static_cast<float>(std::bit_cast<Float16>(bits[term * 7U * 32U + at]));
      };
      const double expected = j < 21 ? double{values(i, j)} : 0.0;
      EXPECT_NEAR(double{value(0)} + double{value(1)}, expected, 0x1p-23 * std::abs(expected) + 0x1p-38)
          << i << ", " << j;
    }
}

/// All of these shapes are for tensor cores, where a block has the shared memory of compute capability 8.0.
TEST(CudaTensorScanTest, TakesStatesOfUpTo256Columns) {
  int device = 0;
  cuda::check(cudaGetDevice(&device), "cudaGetDevice");
  int major = 0;
  cuda::check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
  if (major < 8) GTEST_SKIP() << "this device's tensor cores don't multiply 16 × 16 by 16 × 8";
  constexpr std::size_t shared_bytes = 163 << 10;
  Rng rng(16);
  for (const Index dimension : {1, 64, 65, 256, 257}) {
    const cuda::HalfMatrix halves(cuda::DeviceMatrix(random_gaussian(2, dimension, rng), "floats"), "halves");
    cuda::SoftmaxScan scan;
    scan.rows = 3;
    scan.dimension = scan.content_columns = static_cast<int>(dimension);
    scan.pattern_count = 2;
    EXPECT_FALSE(cuda::tensor_scan_fits(scan, shared_bytes)) << dimension;
    scan.pattern_halves = scan.content_halves = halves.view();
    EXPECT_EQ(cuda::tensor_scan_fits(scan, shared_bytes), dimension <= 256) << dimension;
    EXPECT_EQ(cuda::has_tensor_scan(dimension), dimension <= 256) << dimension;
    EXPECT_FALSE(cuda::tensor_scan_fits(scan, 1 << 10)) << dimension;
  }
}

TEST_P(CudaSoftmaxScanTest, DimensionsThatDontFitAreRefused) {
  EXPECT_TRUE(cuda::softmax_scan_fits(64));
  EXPECT_FALSE(cuda::softmax_scan_fits(1 << 16));
  Rng rng(8);
  const SoftmaxMemory memory = random_memory({1, 1 << 16, 0, 0, 1, 1.0F}, rng, GetParam());
  EXPECT_THROW(scan(memory, random_gaussian(1, 1 << 16, rng)), DeviceError);
}

}  // namespace
}  // namespace attractor::test
