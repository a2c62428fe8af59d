/// Memories made of patterns that lie on the device are those made of the same patterns on the host, bit for bit, and
/// what they need to know of them is found there as it is on the host.

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/error.hpp>

#include "kernels/cuda/device/device_matrix.hpp"
#include "kernels/cuda/device/mapped_matrix.hpp"
#include "kernels/cuda/device/matrix_scan.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/streamed/factor_scan.hpp"
#include "kernels/cuda/streamed/gram.hpp"
#include "tests/cuda/support_data.hpp"
#include "tests/support/results.hpp"
#include "tests/support/sizes_scope.hpp"

namespace attractor::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

using Rows = MatrixView<const float>;

/// A way of making a memory of patterns, with contents where it takes them.
struct Maker {
  std::string name;
  std::function<Memory(const Device&, Rows patterns, Rows contents)> make;
};

AdaptiveSimilarity similarity(Index dimension, Index groups) {
  const Index ranks = rank_count(dimension, groups);
  return {.squared_distance = std::vector<float>(static_cast<std::size_t>(ranks), 0.03F),
          .dot = std::vector<float>(static_cast<std::size_t>(ranks), 0.02F),
          .groups = groups};
}

Maker hopfield(const std::string& name, const ModernHopfieldOptions& options) {
  return {name, [=](const Device& device, Rows patterns, Rows contents) {
            ModernHopfieldOptions own = options;
            own.contents = contents;
            return Memory::modern_hopfield(device, patterns, own);
          }};
}

Maker hebbian(const std::string& name, const HebbianOptions& options) {
  return {name, [=](const Device& device, Rows patterns, Rows contents) {
            HebbianOptions own = options;
            own.contents = contents;
            return Memory::hebbian(device, patterns, own);
          }};
}

/// Of each way that patterns go, on the device or by the host.
std::vector<Maker> makers() {
  const HebbianOptions streamed{.evaluation = Evaluation::factored, .placement = Placement::streamed};
  HebbianOptions coupled = streamed;
  coupled.self_coupling = true;
  HebbianOptions fading = streamed;
  fading.decay = 0.9F;
  HebbianOptions centred = streamed;
  centred.centred = true;
  HebbianOptions both = fading;
  both.centred = true;
  HebbianOptions dense{.evaluation = Evaluation::dense, .placement = Placement::streamed};
  HebbianOptions dense_coupled = dense;
  dense_coupled.self_coupling = true;
  HebbianOptions dense_fading = dense;
  dense_fading.decay = 0.8F;
  dense_fading.centred = true;
  return {hopfield("softmax", {.beta = 0.3F}),
          hopfield("cosine", {.beta = 2.0F, .similarity = Similarity::cosine}),
          hopfield("squared_distance", {.beta = 0.3F, .similarity = Similarity::squared_distance}),
          hopfield("manhattan", {.beta = 0.3F, .similarity = Similarity::manhattan}),
          hopfield("sparsemax", {.beta = 0.3F, .separation = sparsemax()}),
          hopfield("epanechnikov",
                   {.beta = 0.01F, .similarity = Similarity::squared_distance, .separation = EpanechnikovSeparation{}}),
          {"exponential",
           [](const Device& device, Rows patterns, Rows contents) {
             return Memory::exponential(device, patterns, {.beta = 0.2F, .contents = contents});
           }},
          {"dense_associative",
           [](const Device& device, Rows patterns, Rows contents) {
             return Memory::dense_associative(device, patterns, {.order = 3, .contents = contents});
           }},
          {"minerva", [](const Device& device, Rows patterns,
                         Rows contents) { return Memory::minerva(device, patterns, {.contents = contents}); }},
          {"adaptive",
           [](const Device& device, Rows patterns, Rows contents) {
             return Memory::adaptive(device, patterns, similarity(patterns.columns, 1), {.contents = contents});
           }},
          {"adaptive_in_groups",
           [](const Device& device, Rows patterns, Rows contents) {
             return Memory::adaptive(device, patterns,
                                     similarity(patterns.columns, std::min<Index>(2, patterns.columns)),
                                     {.contents = contents});
           }},
          hebbian("hebbian", {}),
          hebbian("hebbian_streamed", streamed),
          hebbian("hebbian_coupled", coupled),
          hebbian("hebbian_fading", fading),
          hebbian("hebbian_centred", centred),
          hebbian("hebbian_centred_and_fading", both),
          hebbian("hebbian_dense", dense),
          hebbian("hebbian_dense_where_it_fits", {.evaluation = Evaluation::dense}),
          hebbian("hebbian_dense_coupled", dense_coupled),
          hebbian("hebbian_dense_centred_and_fading", dense_fading),
          {"hebbian_thresholds",
           [](const Device& device, Rows patterns, Rows contents) {
             HebbianOptions options{.evaluation = Evaluation::dense, .contents = contents};
             options.thresholds.assign(static_cast<std::size_t>(patterns.columns), 0.25F);
             return Memory::hebbian(device, patterns, options);
           }},
          {"projection", [](const Device& device, Rows patterns, Rows contents) {
             return Memory::projection(device, patterns, {.ridge = 0.1F, .contents = contents});
           }}};
}

class CudaLearningTest : public testing::TestWithParam<Maker> {
 protected:
  /// What a memory makes of noisy copies of the patterns, also where fields are rounding of 0.
  struct Outcome {
    Relaxation signs;
    Relaxation readouts;
    Matrix<float> recalled;
    Matrix<float> contents;
  };

  static Outcome outcome(const Memory& memory, Rows patterns) {
    Rng rng(5);
    const Matrix<float> queries = stack(noisy_copies(patterns, 5, 0.1F, 1.0F, rng), filled(1, patterns.columns, 0.0F));
    const auto relaxed = [&](const Update& update) {
      const RelaxerOptions options{.update = update, .halting = fixed_steps(), .max_steps = 2, .energies = true};
      return Relaxer(memory, options).relax(queries);
    };
    return {relaxed(sign_update()), relaxed(readout_update()), recall(memory, queries).contents,
            copy(memory.contents())};
  }

  static void expect_same(const Memory& memory, const Outcome& expected, Rows patterns) {
    const Outcome own = outcome(memory, patterns);
    EXPECT_TRUE(same_results(own.signs, expected.signs));
    EXPECT_TRUE(same_results(own.readouts, expected.readouts));
    EXPECT_TRUE(same_bits(own.recalled, expected.recalled));
    EXPECT_TRUE(same_bits(own.contents, expected.contents));
    EXPECT_TRUE(same_bits(memory.patterns(), patterns));
  }

  static void expect_same_from_device(Rows patterns, Rows contents, Spread spread) {
    const Device device = Device::cuda();
    const PlacedRows<float> own_patterns(Place::device, patterns, spread);
    const PlacedRows<float> own_contents(Place::device, contents, spread);
    expect_same(GetParam().make(device, own_patterns.view(), {}),
                outcome(GetParam().make(device, patterns, {}), patterns), patterns);
    const Outcome with_contents = outcome(GetParam().make(device, patterns, contents), patterns);
    const Memory memory = GetParam().make(device, own_patterns.view(), own_contents.view());
    expect_same(memory, with_contents, patterns);
    // It has what it was made of, whatever becomes of that.
    own_patterns.write(filled(patterns.rows, patterns.columns, 9.0F).view());
    own_contents.write(filled(contents.rows, contents.columns, 9.0F).view());
    expect_same(memory, with_contents, patterns);
  }

  static detail::Sizes products() {
    detail::Sizes sizes;
    sizes.tensor_columns = 1;
    return sizes;
  }
};

INSTANTIATE_TEST_SUITE_P(Rules, CudaLearningTest, testing::ValuesIn(makers()),
                         [](const auto& maker) { return maker.param.name; });

TEST_P(CudaLearningTest, GivesTheMemoryOfTheHostsPatterns) {
  const SizesScope sizes(products());
  Rng rng(1);
  for (const auto& [count, dimension] : {std::pair<Index, Index>{1, 1}, {1, 33}, {33, 64}, {40, 130}}) {
    SCOPED_TRACE(std::to_string(count) + " × " + std::to_string(dimension));
    const Matrix<float> contents = random_gaussian(count, 3, rng);
    expect_same_from_device(random_gaussian(count, dimension, rng), contents, {});
    expect_same_from_device(random_bipolar(count, dimension, rng), contents, {.gap = 3, .offset = 1});
  }
}

TEST_P(CudaLearningTest, GivesTheMemoryWhereOnlyOneOfThemIsOnTheDevice) {
  Rng rng(6);
  const Matrix<float> patterns = random_gaussian(7, 5, rng);
  const Matrix<float> contents = random_gaussian(7, 3, rng);
  const PlacedRows<float> own_patterns(Place::device, patterns.view());
  const PlacedRows<float> own_contents(Place::device, contents.view());
  const Outcome expected = outcome(GetParam().make(Device::cuda(), patterns, contents), patterns);
  expect_same(GetParam().make(Device::cuda(), own_patterns.view(), contents), expected, patterns);
  expect_same(GetParam().make(Device::cuda(), patterns, own_contents.view()), expected, patterns);
}

TEST_P(CudaLearningTest, GivesTheMemoryOfPatternsFarFromZero) {
  Rng rng(2);
  Matrix<float> patterns = random_gaussian(6, 9, rng);
  for (Index i = 0; i < patterns.rows(); ++i) patterns(i, 4) = 100.0F + 0.5F * patterns(i, 4);
  expect_same_from_device(patterns, random_gaussian(6, 2, rng), {.gap = 2});
}

TEST_P(CudaLearningTest, GivesAMemoryThatChangesAndMoves) {
  Rng rng(3);
  const Matrix<float> patterns = random_bipolar(6, 24, rng);
  const Matrix<float> contents = random_gaussian(6, 2, rng);
  const PlacedRows<float> own_patterns(Place::device, patterns.view());
  const PlacedRows<float> own_contents(Place::device, contents.view());
  const auto for_both = [&](const std::function<void(Memory&)>& change) {
    Memory memory = GetParam().make(Device::cuda(), own_patterns.view(), own_contents.view());
    Memory expected = GetParam().make(Device::cuda(), patterns, contents);
    change(memory);
    change(expected);
    const Matrix<float> left = copy(expected.patterns());
    expect_same(memory, outcome(expected, left), left);
  };
  const Matrix<float> added = random_bipolar(2, 24, rng);
  const PlacedRows<float> own_added(Place::device, added.view());
  const Matrix<float> added_contents = random_gaussian(2, 2, rng);
  for_both([&](Memory& memory) { memory.imprint(own_added.view(), added_contents); });
  for_both([&](Memory& memory) { memory.forget(std::array<Index, 2>{1, 4}); });
  for_both([&](Memory& memory) { memory.replace(std::array<Index, 2>{5, 0}, added, added_contents); });
  for_both([&](Memory& memory) { memory = memory.copy_to(Device::cpu()); });
  for_both([&](Memory& memory) {
    const Memory original = memory;
    memory.forget(std::array<Index, 1>{0});
    EXPECT_TRUE(same_bits(original.patterns(), patterns.view()));
  });
}

TEST_P(CudaLearningTest, RefusesWhatIsNotFiniteByName) {
  Rng rng(4);
  const Matrix<float> patterns = random_gaussian(9, 40, rng);
  const Matrix<float> contents = random_gaussian(9, 3, rng);
  const auto message = [](Rows rows, Rows read_out) -> std::string {
    try {
      static_cast<void>(GetParam().make(Device::cuda(), rows, read_out));
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "accepted";
  };
  for (const float bad : {nan, infinity, -infinity})
    for (const auto& [row, column] : {std::pair<Index, Index>{0, 0}, {8, 39}, {3, 33}}) {
      Matrix<float> odd = copy(patterns);
      odd(row, column) = odd(8, 39) = bad;
      const PlacedRows<float> placed(Place::device, odd.view(), {.gap = 5, .offset = 2});
      EXPECT_EQ(message(placed.view(), contents), message(odd, contents));
      EXPECT_NE(message(placed.view(), contents).find("patterns must be finite; row " + std::to_string(row)),
                std::string::npos);
      Matrix<float> odd_contents = copy(contents);
      odd_contents(row, 2) = bad;
      const PlacedRows<float> placed_contents(Place::device, odd_contents.view());
      EXPECT_EQ(message(patterns, placed_contents.view()), message(patterns, odd_contents));
      EXPECT_NE(message(patterns, odd_contents), "accepted");
    }
}

TEST_P(CudaLearningTest, RefusesWhatIsOnAnotherDeviceByName) {
  if (Device::cuda_count() < 2) GTEST_SKIP() << "needs two CUDA devices";
  Rng rng(6);
  const Matrix<float> patterns = random_gaussian(3, 8, rng);
  const cuda::DeviceScope scope(1);
  const PlacedRows<float> placed(Place::device, patterns.view());
  const auto expect_refusal = [&](const std::string& name, Rows rows, Rows contents) {
    try {
      static_cast<void>(GetParam().make(Device::cuda(0), rows, contents));
      ADD_FAILURE() << "accepted";
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(error.what(), name + " are on CUDA device 1, this call works on device 0");
    }
  };
  expect_refusal("patterns", placed.view(), {});
  expect_refusal("contents", patterns, placed.view());
}

TEST(CudaLearningThreadsTest, AnyNumberMayAskForThePatterns) {
  Rng rng(7);
  const Matrix<float> patterns = random_gaussian(50, 40, rng);
  const PlacedRows<float> placed(Place::device, patterns.view());
  const Memory memory = Memory::modern_hopfield(Device::cuda(), placed.view(), {.beta = 0.1F});
  std::array<const float*, 3> seen = {};
  std::vector<std::thread> threads;
  for (const float*& own : seen)
    threads.emplace_back([&] {
      own = memory.patterns().data;
      EXPECT_TRUE(same_bits(memory.patterns(), patterns.view()));
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen[1], seen[0]);
  EXPECT_EQ(seen[2], seen[0]);
}

/// Shapes and spreads at which scans have more than one of everything.
template <class Check>
void for_each_matrix(const Check& check) {
  Rng rng(8);
  for (const auto& [rows, columns] : {std::pair<Index, Index>{1, 1}, {33, 31}, {130, 65}, {1030, 3}, {2, 300}}) {
    SCOPED_TRACE(std::to_string(rows) + " × " + std::to_string(columns));
    const Matrix<float> values = random_gaussian(rows, columns, rng);
    for (const Spread& spread : {Spread{}, Spread{.gap = 3, .offset = 1}}) {
      const PlacedRows<float> placed(Place::device, values.view(), spread);
      check(values, Rows(placed.view()));
    }
  }
}

TEST(CudaMatrixScanTest, FindsTheRangeOfColumns) {
  for_each_matrix([](const Matrix<float>& values, Rows placed) {
    const cuda::ColumnRange range = cuda::column_range(placed);
    ASSERT_EQ(range.smallest.size(), static_cast<std::size_t>(values.columns()));
    for (Index k = 0; k < values.columns(); ++k) {
      float least = values(0, k);
      float most = values(0, k);
      for (Index i = 0; i < values.rows(); ++i) {
        least = std::min(least, values(i, k));
        most = std::max(most, values(i, k));
      }
      EXPECT_EQ(range.smallest[static_cast<std::size_t>(k)], least);
      EXPECT_EQ(range.largest[static_cast<std::size_t>(k)], most);
    }
  });
}

TEST(CudaMatrixScanTest, FindsNormsAndMagnitudesOfRows) {
  for_each_matrix([](const Matrix<float>& values, Rows placed) {
    const std::vector<double> squares = cuda::squared_norms(placed);
    const std::vector<float> magnitudes = cuda::row_magnitudes(placed);
    ASSERT_EQ(squares.size(), static_cast<std::size_t>(values.rows()));
    ASSERT_EQ(magnitudes.size(), squares.size());
    for (Index i = 0; i < values.rows(); ++i) {
      double square = 0.0;
      float magnitude = 0.0F;
      for (Index k = 0; k < values.columns(); ++k) {
        square += double{values(i, k)} * double{values(i, k)};
        magnitude = std::max(magnitude, std::abs(values(i, k)));
      }
      EXPECT_EQ(squares[static_cast<std::size_t>(i)], square) << i;
      EXPECT_EQ(magnitudes[static_cast<std::size_t>(i)], magnitude) << i;
    }
  });
}

TEST(CudaMatrixScanTest, AddsUpRows) {
  for_each_matrix([](const Matrix<float>& values, Rows placed) {
    std::vector<double> sums;
    for (Index i = 0; i < values.rows(); ++i)
      sums.push_back(std::accumulate(values.row(i), values.row(i) + values.columns(), 0.0));
    EXPECT_EQ(cuda::row_sums(placed), sums);
  });
}

TEST(CudaMappedMatrixTest, HasTheBitsOfTheHost) {
  for_each_matrix([](const Matrix<float>& values, Rows placed) {
    std::vector<float> row(static_cast<std::size_t>(values.columns()));
    for (std::size_t k = 0; k < row.size(); ++k) row[k] = 0.1F * static_cast<float>(k + 1);
    std::vector<double> factors(static_cast<std::size_t>(values.rows()));
    for (std::size_t i = 0; i < factors.size(); ++i) factors[i] = std::pow(0.9, 0.5 * static_cast<double>(i));
    const auto expect = [&](const cuda::DeviceMatrix& made, const auto& expected) {
      Matrix<float> whole(values.rows(), made.stride);
      cuda::download({made.data.data(), values.rows(), made.stride}, whole, "a matrix");
      for (Index i = 0; i < whole.rows(); ++i)
        for (Index k = 0; k < whole.columns(); ++k)
          ASSERT_EQ(whole(i, k), k < values.columns() ? expected(i, k) : 0.0F) << i << ", " << k;
    };
    expect(cuda::less_value(placed, 0.3, "less"),
           [&](Index i, Index k) { return static_cast<float>(double{values(i, k)} - 0.3); });
    expect(cuda::less_row(placed, row, "less"),
           [&](Index i, Index k) { return values(i, k) - row[static_cast<std::size_t>(k)]; });
    expect(cuda::scaled_rows(placed, factors, "scaled"), [&](Index i, Index k) {
      return static_cast<float>(factors[static_cast<std::size_t>(i)] * double{values(i, k)});
    });
  });
}

/// Σ_μ left_μi right_μk as the host adds it up: chains of 64 patterns, parts of 256.
float summed(const Matrix<float>& left, Index i, const Matrix<float>& right, Index k) {
  float total = 0.0F;
  for (Index part_begin = 0; part_begin < left.rows(); part_begin += 256) {
    const Index part_end = std::min<Index>(part_begin + 256, left.rows());
    float part = 0.0F;
    for (Index begin = part_begin; begin < part_end; begin += 64) {
      float chain = 0.0F;
      for (Index m = begin; m < std::min<Index>(begin + 64, part_end); ++m)
        chain = std::fma(left(m, i), right(m, k), chain);
      part += chain;
    }
    total += part;
  }
  return total;
}

void expect_sums(const cuda::DeviceMatrix& made, const Matrix<float>& left, const Matrix<float>& right, bool diagonal) {
  ASSERT_EQ(made.rows, left.columns());
  ASSERT_EQ(made.columns, right.columns());
  Matrix<float> whole(made.rows, made.stride);
  cuda::download({made.data.data(), made.rows, made.stride}, whole, "a matrix");
  for (Index i = 0; i < whole.rows(); ++i)
    for (Index k = 0; k < whole.columns(); ++k) {
      const bool is_cleared = k >= made.columns || (!diagonal && i == k);
      ASSERT_EQ(whole(i, k), is_cleared ? 0.0F : summed(left, i, right, k)) << i << ", " << k;
    }
}

TEST(CudaGramTest, AddsUpPatternsInTheHostsOrder) {
  Rng rng(9);
  for (const Index count : {1, 15, 16, 63, 64, 65, 255, 256, 257, 530})
    for (const Index dimension : {1, 3, 63, 64, 65}) {
      SCOPED_TRACE(std::to_string(count) + " × " + std::to_string(dimension));
      const Matrix<float> factor = random_gaussian(count, dimension, rng);
      const Matrix<float> contents = random_gaussian(count, 5, rng);
      const PlacedRows<float> placed(Place::device, factor.view(), {.gap = 1, .offset = 3});
      const PlacedRows<float> placed_contents(Place::device, contents.view(), {.gap = 2});
      expect_sums(cuda::gram(placed.view(), true, "weights"), factor, factor, true);
      expect_sums(cuda::gram(placed.view(), false, "weights"), factor, factor, false);
      expect_sums(cuda::transposed_product(placed_contents.view(), placed.view(), "contents"), contents, factor, true);
    }
}

/// More patterns than are added up in one chain: what the engine makes of those on the host is the same.
TEST(CudaGramTest, GivesDenseMemoriesOfManyPatterns) {
  Rng rng(10);
  const Matrix<float> patterns = random_gaussian(600, 40, rng);
  const Matrix<float> contents = random_gaussian(600, 3, rng);
  const PlacedRows<float> placed(Place::device, patterns.view());
  HebbianOptions options{.placement = Placement::streamed, .contents = contents.view()};
  const Matrix<float> queries = noisy_copies(patterns, 20, 0.1F, 1.0F, rng);
  for (const bool centred : {false, true}) {
    options.centred = centred;
    const RelaxerOptions relaxing{.update = readout_update(), .halting = fixed_steps(), .max_steps = 2};
    EXPECT_TRUE(same_results(Relaxer(Memory::hebbian(Device::cuda(), placed.view(), options), relaxing).relax(queries),
                             Relaxer(Memory::hebbian(Device::cuda(), patterns, options), relaxing).relax(queries)));
  }
}

TEST(CudaMatrixScanTest, FindsTheFirstEntryThatIsNotFinite) {
  for_each_matrix([](const Matrix<float>& values, Rows placed) {
    EXPECT_FALSE(cuda::first_not_finite(placed).has_value());
    Matrix<float> odd = copy(values);
    const Index row = odd.rows() / 2;
    const Index column = odd.columns() - 1;
    odd(odd.rows() - 1, column) = nan;
    odd(row, column) = infinity;
    const PlacedRows<float> placed_odd(Place::device, odd.view());
    const auto entry = cuda::first_not_finite(placed_odd.view());
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->row, row);
    EXPECT_EQ(entry->column, column);
    EXPECT_EQ(entry->value, infinity);
  });
}

TEST(CudaFactorScanTest, AddsUpSquaresOfColumns) {
  for_each_matrix([](const Matrix<float>& values, Rows placed) {
    std::vector<double> sums(static_cast<std::size_t>(values.columns()), 0.0);
    for (Index i = 0; i < values.rows(); ++i)
      for (Index k = 0; k < values.columns(); ++k)
        sums[static_cast<std::size_t>(k)] += double{values(i, k)} * double{values(i, k)};
    EXPECT_EQ(cuda::squared_columns(placed), sums);
  });
}

TEST(CudaFactorScanTest, WeighsRows) {
  for_each_matrix([](const Matrix<float>& values, Rows placed) {
    std::vector<double> weights(static_cast<std::size_t>(values.rows()));
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = 1.0 / static_cast<double>(i + 3);
    std::vector<double> sums(static_cast<std::size_t>(values.columns()), 0.0);
    for (Index i = 0; i < values.rows(); ++i)
      for (Index k = 0; k < values.columns(); ++k)
        sums[static_cast<std::size_t>(k)] += weights[static_cast<std::size_t>(i)] * double{values(i, k)};
    EXPECT_EQ(cuda::weighted_sum(placed, weights), sums);
  });
}

TEST(CudaFactorScanTest, MultipliesInTheHostsOrder) {
  for_each_matrix([](const Matrix<float>& values, Rows placed) {
    std::vector<double> x(static_cast<std::size_t>(values.columns()));
    for (std::size_t k = 0; k < x.size(); ++k) x[k] = 1.5 + std::sin(static_cast<double>(k));
    std::vector<double> expected(x.size(), 0.0);
    for (Index i = 0; i < values.rows(); ++i) {
      std::array<double, 16> chains = {};
      for (std::size_t k = 0; k < x.size(); ++k) chains[k % 16] += double{values.row(i)[k]} * x[k];
      const double score = std::accumulate(chains.begin(), chains.end(), 0.0);
      for (std::size_t k = 0; k < x.size(); ++k) expected[k] += score * double{values.row(i)[k]};
    }
    EXPECT_EQ(cuda::gram_product(placed, x), expected);
  });
}

TEST(CudaFactorScanTest, FindsTheLargestInteger) {
  const auto largest = [](const Matrix<float>& values) {
    return cuda::largest_integer(PlacedRows<float>(Place::device, values.view()).view());
  };
  Matrix<float> values = filled(70, 35, -2.0F);
  EXPECT_EQ(largest(values), 2.0F);
  values(69, 34) = -0x1.000002p30F;
  EXPECT_EQ(largest(values), 0x1.000002p30F);
  values(3, 7) = 0.5F;
  EXPECT_EQ(largest(values), infinity);
  EXPECT_EQ(largest(filled(2, 3, 0.0F)), 0.0F);
}

TEST(CudaDeviceMatrixTest, IsPaddedWithZerosFromAnywhere) {
  for_each_matrix([](const Matrix<float>& values, Rows placed) {
    for (const Rows& from : {Rows(values.view()), placed}) {
      const cuda::DeviceMatrix matrix(from, "a matrix");
      Matrix<float> whole(values.rows(), matrix.stride);
      cuda::download({matrix.data.data(), values.rows(), matrix.stride}, whole, "a matrix");
      EXPECT_EQ(matrix.stride % 4, 0);
      for (Index i = 0; i < whole.rows(); ++i)
        for (Index k = 0; k < whole.columns(); ++k)
          ASSERT_EQ(whole(i, k), k < values.columns() ? values(i, k) : 0.0F) << i << ", " << k;
    }
  });
}

}  // namespace
}  // namespace attractor::test
