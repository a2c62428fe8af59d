/// Arrays in NumPy's files: what NumPy wrote is read, what is written NumPy reads, and anything else is refused.

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/folder.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A file of version 1 with this dictionary, not padded more than to whole floats, and these elements.
std::string npy(std::string dictionary, const std::string& elements) {
  dictionary.resize((10 + dictionary.size() + 15) / 16 * 16 - 10, ' ');
  std::string result("\x93NUMPY\x01\x00", 8);
  result += static_cast<char>(dictionary.size() & 0xffU);
  result += static_cast<char>(dictionary.size() >> 8U);
  return result + dictionary + elements;
}

std::string dictionary(const std::string& type, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

template <class T>
std::string as_bytes(std::initializer_list<T> values) {
  std::string result(values.size() * sizeof(T), '\0');
  std::memcpy(result.data(), values.begin(), result.size());
  return result;
}

class ArrayFileTest : public testing::Test {
 protected:
  ArrayFile read(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;
    return ArrayFile(path_);
  }

  /// Expects a FileError that names the file and has these words.
  void expect_refused(const std::string& bytes, std::initializer_list<std::string> words) const {
    try {
      static_cast<void>(read(bytes));
      ADD_FAILURE() << "accepted; expected an error about " << *words.begin();
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find(path_.string()), std::string::npos) << error.what();
      for (const std::string& word : words)
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what() << " lacks " << word;
    }
  }

  TestFolder folder_;
  fs::path path_ = folder_ / "array.npy";
  Rng rng_{3};
};

TEST_F(ArrayFileTest, WritesWhatNumpyWrites) {
  {
    ArrayFile file(path_, ElementType::float32, 2, 3);
    MatrixView<float> elements = file.elements<float>();
    for (Index i = 0; i < 6; ++i) elements.data[i] = static_cast<float>(i) - 2.5F;
  }
  // numpy.save(…, numpy.arange(6, dtype=numpy.float32).reshape(2, 3) - 2.5)
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  header.resize(117, ' ');
  EXPECT_EQ(bytes_of(path_), std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" +
                                 as_bytes({-2.5F, -1.5F, -0.5F, 0.5F, 1.5F, 2.5F}));
}

TEST_F(ArrayFileTest, EveryTypeComesBackAsFloats) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"<f8", as_bytes({-1.5, 1e300})},
      {"<f4", as_bytes({-1.5F, std::numeric_limits<float>::infinity()})},
      {"<f2", as_bytes({Float16(-1.5F), Float16(std::numeric_limits<float>::infinity())})},
      {"<i8", as_bytes<std::int64_t>({-3, 1})},
      {"<i4", as_bytes<std::int32_t>({-3, 1})},
      {"|i1", as_bytes<std::int8_t>({-3, 1})},
      {"|u1", as_bytes<std::uint8_t>({253, 1})},
      {"|b1", as_bytes<std::uint8_t>({0, 1})}};
  const std::vector<std::vector<float>> expected = {{-1.5F, std::numeric_limits<float>::infinity()},
                                                    {-1.5F, std::numeric_limits<float>::infinity()},
                                                    {-1.5F, std::numeric_limits<float>::infinity()},
                                                    {-3.0F, 1.0F},
                                                    {-3.0F, 1.0F},
                                                    {-3.0F, 1.0F},
                                                    {253.0F, 1.0F},
                                                    {0.0F, 1.0F}};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const ArrayFile file = read(npy(dictionary(cases[i].first, "(1, 2)"), cases[i].second));
    EXPECT_EQ(file.dimensions(), 2);
    EXPECT_TRUE(same_bits(file.floats(), MatrixView<const float>(expected[i].data(), 1, 2))) << cases[i].first;
  }
}

TEST_F(ArrayFileTest, HeadersOfOtherWritersAreRead) {
  const std::string elements = as_bytes({1.0F, 2.0F});
  for (const std::string& text :
       {std::string("{'shape':(2,),'fortran_order':False,'descr':'<f4'}"),
        std::string("{\"descr\": \"<f4\", \"fortran_order\": True, \"shape\": (2,)}\n"),
        std::string("  { 'descr' : '<f4' ,'fortran_order':\tFalse, 'shape' : ( 2 , ) , } \n")}) {
    const ArrayFile file = read(npy(text, elements));
    EXPECT_EQ(file.dimensions(), 1);
    EXPECT_EQ(file.rows(), 2);
    EXPECT_EQ(file.columns(), 1);
    EXPECT_EQ(file.floats(1, 1)(0, 0), 2.0F);
  }
  // A column, or a row, is in both orders at once.
  EXPECT_EQ(read(npy(dictionary("<f4", "(1, 2)", "True"), elements)).columns(), 2);
  // Versions 2 and 3 have longer lengths.
  for (const char version : {'\x02', '\x03'}) {
    std::string text = dictionary("<f4", "(2, 1)");
    text.resize(116, ' ');
    std::string bytes("\x93NUMPY");
    bytes.append({version, '\0', '\x74', '\0', '\0', '\0'}).append(text).append(elements);
    EXPECT_EQ(read(bytes).rows(), 2);
  }
}

TEST_F(ArrayFileTest, WhatIsNoSuchFileIsRefused) {
  const std::string elements = as_bytes({1.0F, 2.0F});
  const std::string good = npy(dictionary("<f4", "(1, 2)"), elements);
  expect_refused("", {"isn't a file of NumPy's"});
  expect_refused("PK\x03\x04 a zip archive", {"isn't a file of NumPy's"});
  expect_refused(std::string("\x93NUMPY\x04\x00", 8) + good.substr(8), {"version 4"});
  for (std::size_t length = 0; length < good.size() - elements.size(); ++length)
    expect_refused(good.substr(0, length), {});
  expect_refused(good + "x", {"9 bytes", "takes 8"});
  expect_refused(good.substr(0, good.size() - 1), {"7 bytes", "takes 8"});
  expect_refused(npy(dictionary(">f4", "(1, 2)"), elements), {">f4", "<f4"});
  expect_refused(npy(dictionary("<c8", "(1, 1)"), elements), {"<c8"});
  expect_refused(npy(dictionary("<f4", "()"), as_bytes({1.0F})), {"0 dimensions"});
  expect_refused(npy(dictionary("<f4", "(1, 2, 1)"), elements), {"3 dimensions"});
  expect_refused(npy(dictionary("<f4", "(2, 0)"), ""), {"without columns"});
  expect_refused(npy(dictionary("<f4", "(2, 2)", "True"), elements + elements), {"Fortran", "ascontiguousarray"});
  for (const char* const shape : {"(-1, 2)", "(1, 99999999999999999999)", "(1 2)", "1, 2", "(1, 2", "(1.0, 2)", "(,)"})
    expect_refused(npy(dictionary("<f4", shape), elements), {"isn't NumPy's"});
  expect_refused(npy(dictionary("<f4", "(9223372036854775807, 2)"), elements), {"9223372036854775807", "no file"});
  expect_refused(npy(dictionary("<f4", "(2, 9223372036854775807)"), elements), {"no file"});
  for (const char* const text :
       {"{'descr': '<f4', 'fortran_order': False}", "{'descr': '<f4', 'shape': (1, 2)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} x",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}",
        "{'descr': <f4, 'fortran_order': False, 'shape': (1, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), 'more': 'x'}", "", "{", "{}"})
    expect_refused(npy(text, elements), {"isn't NumPy's"});
  expect_refused(npy("{'descr': '<f4 , 'fortran_order'", elements), {"<f4 ,"});
  EXPECT_THROW(ArrayFile(folder_ / "nothing.npy"), FileError);
  EXPECT_THROW(ArrayFile(folder_ / "."), FileError);
}

TEST_F(ArrayFileTest, ElementsThatAreNotAlignedAreRefused) {
  std::string text = dictionary("<f4", "(1, 2)");
  text.resize(100 + 1 - 10, ' ');
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(text.size());
  bytes += '\0';
  expect_refused(bytes + text + as_bytes({1.0F, 2.0F}), {"aligned"});
}

TEST_F(ArrayFileTest, QueriesAndResultsAreThoseOfMatrices) {
  const Matrix<float> patterns = random_bipolar(3, 40, rng_);
  const Matrix<float> queries = noisy_copies(patterns, 7, 0.1F, 1.0F, rng_);
  {
    ArrayFile file(path_, ElementType::float32, 7, 40);
    std::copy_n(queries.data(), queries.size(), file.elements<float>().data);
  }
  const ArrayFile file(path_);
  ASSERT_TRUE(file.holds_queries());
  const Relaxer relaxer(Memory::hebbian(Device::cpu(), patterns), {.update = tanh_update()});
  const Relaxation expected = relaxer.relax(queries);
  ArrayFile states(folder_ / "states.npy", ElementType::float32, 7, 40);
  ArrayFile steps(folder_ / "steps.npy", ElementType::int32, 7, 0);
  RelaxationView results;
  results.states = states.results();
  results.steps = {steps.elements<std::int32_t>().data, 7};
  relaxer.relax(file.queries(), results);
  states.release(0, 7);
  EXPECT_TRUE(same_bits(ArrayFile(folder_ / "states.npy").floats(), expected.states));
  EXPECT_EQ(ArrayFile(folder_ / "steps.npy").dimensions(), 1);
  for (Index i = 0; i < 7; ++i)
    EXPECT_EQ(steps.elements<std::int32_t>().data[i], expected.steps[static_cast<std::size_t>(i)]);
}

TEST_F(ArrayFileTest, BitsAreThoseOfPackedQueries) {
  const Matrix<float> patterns = random_bipolar(5, 19, rng_);
  const BitMatrix packed = to_bits(patterns);
  {
    ArrayFile file(path_, ElementType::uint8, 5, 3);
    const BitView<std::uint8_t> bits = file.result_bits(19);
    for (Index i = 0; i < 5; ++i) std::copy_n(packed.view().row(i), 3, bits.row(i));
  }
  const ArrayFile file(path_);
  EXPECT_FALSE(file.holds_queries());
  EXPECT_TRUE(same_bits(from_bits(file.bits(19)), patterns));
  expect_invalid([&] { static_cast<void>(file.bits(25)); }, {"3", "25", "4"});
  expect_invalid([&] { static_cast<void>(file.queries()); }, {"uint8", "float32"});
}

TEST_F(ArrayFileTest, WhatIsWrittenStaysWhileItIsReleased) {
  constexpr Index rows = 3000;
  ArrayFile file(path_, ElementType::float32, rows, 7);
  float* const values = file.elements<float>().data;
  for (Index i = 0; i < rows * 7; ++i) values[i] = static_cast<float>(i);
  for (Index first = 0; first < rows; first += 700) file.release(first, std::min<Index>(700, rows - first));
  file.release(0, 0);
  for (Index i = 0; i < rows * 7; ++i) ASSERT_EQ(values[i], static_cast<float>(i));
  ArrayFile again = ArrayFile::reopen(path_);
  again.elements<float>().data[0] = -1.0F;
  EXPECT_EQ(values[0], -1.0F);
}

TEST_F(ArrayFileTest, WrongUsesAreRefused) {
  expect_invalid([&] { ArrayFile(path_, ElementType::float32, -1, 2); }, {"-1", "array.npy"});
  expect_invalid([&] { ArrayFile(path_, ElementType::float64, std::numeric_limits<Index>::max() / 4, 2); },
                 {"no file"});
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_THROW(ArrayFile(folder_ / "no/such/folder.npy", ElementType::float32, 1, 1), FileError);
  ArrayFile file(path_, ElementType::float32, 2, 2);
  expect_invalid([&] { static_cast<void>(file.elements<double>()); }, {"float32", "float64"});
  expect_invalid([&] { static_cast<void>(file.floats(1, 2)); }, {"[1, 3)", "2"});
  expect_invalid([&] { static_cast<void>(file.floats(-1, 1)); }, {"-1"});
  expect_invalid([&] { static_cast<void>(file.result_bits(3)); }, {"float32"});
  ArrayFile to_read(path_);
  expect_invalid([&] { static_cast<void>(to_read.results()); }, {"opened to be read"});
  expect_invalid([&] { static_cast<void>(to_read.elements<float>()); }, {"opened to be read"});
}

TEST_F(ArrayFileTest, EmptyArraysAreArrays) {
  { ArrayFile(path_, ElementType::float32, 0, 5); }
  ArrayFile file(path_);
  EXPECT_EQ(file.rows(), 0);
  EXPECT_EQ(file.columns(), 5);
  EXPECT_EQ(file.floats().rows(), 0);
  file.release(0, 0);
}

TEST_F(ArrayFileTest, AFullDiskIsAnError) {
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { .rlim_cur = 4096, .rlim_max = before.rlim_max };
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(ArrayFile(path_, ElementType::float32, 1000, 1000), FileError);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
}

class ArrayFileThreadsTest : public ArrayFileTest {};

TEST_F(ArrayFileThreadsTest, RowsAreReadAndWrittenByAll) {
  constexpr Index rows = 400;
  constexpr Index share = 100;
  const Matrix<float> patterns = random_bipolar(3, 16, rng_);
  const Matrix<float> given = noisy_copies(patterns, rows, 0.2F, 1.0F, rng_);
  {
    ArrayFile file(path_, ElementType::float32, rows, 16);
    std::copy_n(given.data(), given.size(), file.elements<float>().data);
  }
  const Relaxer relaxer(Memory::hebbian(Device::cpu(), patterns), {.threads = 2});
  const ArrayFile queries(path_);
  ArrayFile states(folder_ / "states.npy", ElementType::float32, rows, 16);
  const ResultView results = states.results();
  {
    std::vector<std::jthread> threads;
    for (Index first = 0; first < rows; first += share)
      threads.emplace_back([&, first] {
        relaxer.relax(queries.queries().slice(first, share), {.states = results.slice(first, share)});
        EXPECT_TRUE(same_bits(queries.floats(first, share), given.view().slice(first, share)));
      });
  }
  EXPECT_TRUE(same_bits(states.floats(), relaxer.relax(given).states));
}

}  // namespace
}  // namespace attractor::test
