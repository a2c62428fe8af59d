/// Sizes whose products leave 32 or 64 bits: refused before anything is read at addresses that hold no such thing, by
/// every function that takes a view, a tensor of C's or a file.

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.h>
#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/folder.hpp"

namespace attractor::test {
namespace {

constexpr Index dimension = 8;
constexpr Index most = std::numeric_limits<Index>::max();

/// Rows and strides of which there can't be so many elements of `dimension` columns; the product of some is small again
/// in 64 bits.
struct Size {
  Index rows;
  Index stride;
};
constexpr std::array<Size, 7> sizes = {{{Index{1} << 61, dimension},
                                        {most, dimension},
                                        {most / dimension + 1, dimension},
                                        {Index{1} << 32, Index{1} << 32},
                                        {Index{1} << 31, Index{1} << 33},
                                        {4, Index{1} << 62},
                                        {3, most}}};

/// Expects that the call is refused, or finds no memory for its results.
void expect_refused(const std::string& what, const Size& size, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << what << " of " << size.rows << " rows, " << size.stride << " apart, were accepted";
  } catch (const InvalidArgument& refusal) {
    EXPECT_STRNE(refusal.what(), "");
  } catch (const std::bad_alloc&) {
    SUCCEED();
  }
}

class HugeSizesTest : public testing::Test {
 protected:
  [[nodiscard]] MatrixView<float> rows(const Size& size, Index columns = dimension) {
    return {values_.data(), size.rows, columns, size.stride};
  }

  Rng rng_{720};
  std::vector<float> values_ = std::vector<float>(dimension, 0.5F);
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(dimension, 1);
  Matrix<float> patterns_ = random_gaussian(3, dimension, rng_);
  Matrix<float> contents_ = random_gaussian(3, 2, rng_);
  Memory memory_ = Memory::modern_hopfield(Device::cpu(), patterns_, {.contents = contents_});
  AdaptiveSimilarity similarity_{.dot = std::vector<float>(dimension, 0.5F)};
  std::vector<Index> origins_ = {0};
};

TEST_F(HugeSizesTest, OfPatternsAndContents) {
  for (const Size& size : sizes) {
    const auto patterns = rows(size);
    for (const char* const rule : {"hebbian", "projection", "storkey", "minerva", "modern_hopfield", "exponential"})
      expect_refused(rule, size, [&] { static_cast<void>(Memory::make(Device::cpu(), rule, patterns)); });
    expect_refused("adaptive", size,
                   [&] { static_cast<void>(Memory::adaptive(Device::cpu(), patterns, similarity_)); });
    expect_refused("contents", size, [&] {
      static_cast<void>(Memory::modern_hopfield(Device::cpu(), patterns_, {.contents = patterns}));
    });
    expect_refused("imprint", size, [&] { memory_.imprint(patterns, contents_); });
    EXPECT_EQ(memory_.pattern_count(), 3);
  }
}

TEST_F(HugeSizesTest, OfQueriesOfEveryFormat) {
  const Relaxer relaxer(memory_);
  for (const Size& size : sizes) {
    const std::vector<QueryView> formats = {
        rows(size),
        QueryView(static_cast<const std::int8_t*>(static_cast<const void*>(bytes_.data())), size.rows, dimension,
                  size.stride),
        BitView<const std::uint8_t>(bytes_.data(), size.rows, dimension, size.stride)};
    for (const QueryView& queries : formats) {
      expect_refused("relaxed", size, [&] { static_cast<void>(relaxer.relax(queries)); });
      expect_refused("retrieved", size, [&] { static_cast<void>(retrieve(memory_, queries, {.count = 3})); });
      expect_refused("named", size, [&] { static_cast<void>(nearest(memory_, queries, {.count = 3})); });
      expect_refused("recalled", size, [&] { static_cast<void>(recall(memory_, queries)); });
    }
  }
}

TEST_F(HugeSizesTest, OfWhatComesWithACallAndOfResults) {
  const Relaxer relaxer(memory_);
  Matrix<float> states(1, dimension);
  const auto query = patterns_.view().slice(0, 1);
  for (const Size& size : sizes) {
    const MatrixView<const std::uint8_t> mask(bytes_.data(), size.rows, dimension, size.stride);
    const MatrixView<const float> prior = rows(size, 3);
    expect_refused("masks", size, [&] { static_cast<void>(relaxer.relax(query, {.clamped = mask})); });
    expect_refused("valid patterns", size, [&] { static_cast<void>(relaxer.relax(query, {.valid_patterns = mask})); });
    expect_refused("log-priors", size, [&] { static_cast<void>(relaxer.relax(query, {.log_prior = prior})); });
    expect_refused("states", size, [&] { relaxer.relax(query, {.states = rows(size)}); });
    // As many rows as there are queries, which alone are too many.
    expect_refused("both", size, [&] { relaxer.relax(rows(size), {.states = rows(size)}); });
  }
}

TEST_F(HugeSizesTest, OfFitsFootprintsVariantsAndBits) {
  const Device cpu = Device::cpu();
  for (const Size& size : sizes) {
    const auto many = rows(size);
    expect_refused("footprints", size, [&] { static_cast<void>(footprint(cpu, many, patterns_)); });
    expect_refused("footprints", size, [&] { static_cast<void>(footprint(cpu, patterns_, many)); });
    expect_refused("variants", size, [&] { static_cast<void>(make_variants(many, 3)); });
    expect_refused("fits", size, [&] { static_cast<void>(fit_similarity(cpu, many, many, origins_)); });
    expect_refused("losses", size, [&] { cross_entropy(cpu, many, similarity_, patterns_, origins_); });
    expect_refused("states", size, [&] { static_cast<void>(to_bits(many)); });
    expect_refused("bits", size, [&] {
      static_cast<void>(from_bits(BitView<const std::uint8_t>(bytes_.data(), size.rows, dimension, size.stride)));
    });
  }
}

TEST_F(HugeSizesTest, OfVariantsToBeMade) {
  for (const Index count : {Index{1} << 61, most, most / dimension + 1}) {
    const Size size{count, dimension};
    expect_refused("variants", size, [&] { static_cast<void>(make_variants(patterns_, count)); });
    expect_refused("fits", size, [&] { static_cast<void>(fit_similarity(Device::cpu(), patterns_, {}, count)); });
  }
}

/// Of more pairs than there are numbers for.
TEST_F(HugeSizesTest, OfFootprintsOfEveryPair) {
  const MatrixView<const float> many(values_.data(), Index{1} << 32, 1);
  expect_refused("footprints", {many.rows, 1}, [&] { static_cast<void>(footprint(Device::cpu(), many, many)); });
}

TEST(HugeMatrixTest, FindsNoMemory) {
  for (const auto& [rows, columns] : {std::pair<Index, Index>{Index{1} << 32, Index{1} << 32},
                                      {Index{1} << 62, 4},
                                      {(Index{1} << 62) + 1, 4},
                                      {most, most},
                                      {-1, -1},
                                      {-4, 2}}) {
    EXPECT_THROW(Matrix<std::uint8_t>(rows, columns), std::bad_alloc) << rows << " × " << columns;
    EXPECT_THROW(Matrix<float>(rows, columns), std::bad_alloc) << rows << " × " << columns;
    EXPECT_THROW(BitMatrix(rows, 8 * std::min(columns, most / 8)), std::bad_alloc) << rows << " × " << columns;
  }
  EXPECT_EQ(bytes_of_bits(most), most / 8 + 1);
}

TEST_F(HugeSizesTest, OfTensorsOfC) {
  attractor_memory* memory = nullptr;
  for (const Size& size : sizes) {
    std::array<std::int64_t, 2> shape = {size.rows, dimension};
    std::array<std::int64_t, 2> strides = {size.stride, 1};
    const attractor_tensor tensor{.data = values_.data(),
                                  .device_type = 1,
                                  .device_id = 0,
                                  .ndim = 2,
                                  .type_code = 2,
                                  .type_bits = 32,
                                  .type_lanes = 1,
                                  .shape = shape.data(),
                                  .strides = strides.data(),
                                  .byte_offset = 0};
    EXPECT_EQ(attractor_memory_make("cpu", "hebbian", &tensor, nullptr, &memory), ATTRACTOR_INVALID_ARGUMENT);
    EXPECT_EQ(memory, nullptr);
  }
}

class HugeFileTest : public testing::Test {
 protected:
  /// A file of NumPy's whose header says this of its shape, without elements.
  std::filesystem::path array_of(const std::string& shape) {
    std::string dictionary = "{'descr': '|i1', 'fortran_order': False, 'shape': " + shape + "}";
    dictionary.resize(118, ' ');
    dictionary.back() = '\n';
    std::filesystem::path path = folder_ / "array.npy";
    std::ofstream(path, std::ios::binary) << "\x93NUMPY" << '\x01' << '\0' << '\x76' << '\0' << dictionary;
    return path;
  }

  TestFolder folder_;
};

TEST_F(HugeFileTest, HeadersOfArraysAreRefused) {
  EXPECT_EQ(ArrayFile(array_of("(0, 4)")).rows(), 0);
  for (const std::string shape : {"(4294967296, 4294967296)", "(9223372036854775807, 2)", "(4611686018427387904, 4)",
                                  "(9223372036854775807,)", "(18446744073709551616,)", "(1, 9223372036854775808)",
                                  "(2147483648, 4294967297)", "(99999999999999999999999, 0)"})
    EXPECT_THROW(ArrayFile(array_of(shape)), FileError) << shape;
}

TEST_F(HugeFileTest, NewArraysAreRefused) {
  const std::filesystem::path path = folder_ / "new.npy";
  for (const auto& [rows, columns] : {std::pair<Index, Index>{Index{1} << 32, Index{1} << 32}, {most, 1}, {2, most}})
    EXPECT_THROW(ArrayFile(path, ElementType::float32, rows, columns), InvalidArgument) << rows << " × " << columns;
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(HugeFileTest, RowsThatThereAreNot) {
  ArrayFile file(folder_ / "rows.npy", ElementType::float32, 4, 2);
  for (const auto& [first, count] : {std::pair<Index, Index>{most, 1}, {1, most}, {most, most}, {-1, 1}, {0, 5}}) {
    EXPECT_THROW(static_cast<void>(file.floats(first, count)), InvalidArgument) << first << ", " << count;
    EXPECT_THROW(file.release(first, count), InvalidArgument) << first << ", " << count;
  }
}

}  // namespace
}  // namespace attractor::test
