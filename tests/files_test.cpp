/// Files: what is saved comes back bit for bit, others can read it, and whatever else a file holds is refused.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/folder.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

namespace fs = std::filesystem;

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A new file: some file systems wait for the disk where an old one is overwritten.
void write_bytes(const fs::path& path, const std::string& bytes) {
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A file of this header and these tensors.
std::string make_file(const std::string& header, const std::vector<float>& values) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof(length) + header.size() + values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  std::memcpy(bytes.data() + sizeof(length), header.data(), header.size());
  if (!values.empty())
    std::memcpy(bytes.data() + sizeof(length) + header.size(), values.data(), values.size() * sizeof(float));
  return bytes;
}

/// The header of a file's bytes.
std::string header_of(const std::string& bytes) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  return bytes.substr(sizeof(length), length);
}

/// A file's bytes with another header.
std::string with_header(const std::string& bytes, const std::string& header) {
  const std::uint64_t length = header.size();
  std::string result(sizeof(length), '\0');
  std::memcpy(result.data(), &length, sizeof(length));
  return result + header + bytes.substr(sizeof(length) + header_of(bytes).size());
}

constexpr const char* checksum_key = R"("checksum":")";

std::string checksum_of(const std::string& bytes) {
  const std::string header = header_of(bytes);
  return header.substr(header.find(checksum_key) + std::strlen(checksum_key), 16);
}

/// As files were before they had checksums, whose mutations show what else is wrong with them.
std::string without_checksum(const std::string& bytes) {
  const std::string item = checksum_key + checksum_of(bytes) + "\",";
  std::string header = header_of(bytes);
  header.replace(header.find(item), item.size(), "");
  header.erase(header.find_last_not_of(' ') + 1);
  return with_header(bytes, header + std::string((8 - header.size() % 8) % 8, ' '));
}

class FilesTest : public testing::Test {
 protected:
  Memory load_bytes(const std::string& bytes) const {
    write_bytes(path_, bytes);
    return load(test_device(), path_);
  }

  /// Expects FileError with a message that names the file and has these words.
  void expect_refused(const std::string& bytes, std::initializer_list<std::string> words) const {
    try {
      static_cast<void>(load_bytes(bytes));
      ADD_FAILURE() << "accepted; expected an error about " << *words.begin();
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find(path_.string()), std::string::npos) << error.what();
      for (const std::string& word : words)
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what() << " lacks " << word;
    }
  }

  Rng rng_{8};
  Matrix<float> patterns_ = random_gaussian(5, 11, rng_);
  Matrix<float> contents_ = random_gaussian(5, 3, rng_);
  TestFolder folder_;
  fs::path path_ = folder_ / "memory.safetensors";
};

std::vector<float> some_weights(Index count) {
  Rng rng(6);
  const Matrix<float> values = random_gaussian(1, count, rng);
  return {values.data(), values.data() + count};
}

struct Kind {
  std::string name;
  std::function<Memory(MatrixView<const float> patterns, MatrixView<const float> contents)> make;
};

std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }

std::vector<Kind> all_kinds() {
  using View = MatrixView<const float>;
  const auto adaptive = [](const AdaptiveSimilarity& similarity) {
    return [=](View patterns, View) { return Memory::adaptive(test_device(), patterns, similarity); };
  };
  const auto stored_as = [](PatternStorage storage) {
    return [=](View patterns, View contents) {
      return Memory::modern_hopfield(test_device(), patterns, {.storage = storage, .contents = contents});
    };
  };
  const auto with_contents_as = [](PatternStorage storage, PatternStorage content_storage) {
    return [=](View patterns, View contents) {
      return Memory::modern_hopfield(test_device(), patterns,
                                     {.storage = storage, .contents = contents, .content_storage = content_storage});
    };
  };
  return {
      {"Hebbian", [](View patterns, View) { return Memory::hebbian(test_device(), patterns); }},
      {"HebbianWithOptions",
       [](View patterns, View) {
         return Memory::hebbian(test_device(), patterns,
                                {.self_coupling = true,
                                 .centred = true,
                                 .rate = 0.5F,
                                 .decay = 0.75F,
                                 .thresholds = some_weights(patterns.columns),
                                 .evaluation = Evaluation::dense,
                                 .placement = Placement::streamed});
       }},
      {"DenseAssociative", [](View patterns, View) { return Memory::dense_associative(test_device(), patterns); }},
      {"DenseAssociativeWithOptions",
       [](View patterns, View) {
         return Memory::dense_associative(test_device(), patterns, {.order = 5, .rectified = true});
       }},
      {"HebbianWithContents",
       [](View patterns, View contents) {
         return Memory::hebbian(test_device(), patterns, {.centred = true, .contents = contents});
       }},
      {"DenseAssociativeWithContents",
       [](View patterns, View contents) {
         return Memory::dense_associative(test_device(), patterns, {.order = 4, .contents = contents});
       }},
      {"Minerva", [](View patterns, View) { return Memory::minerva(test_device(), patterns); }},
      {"MinervaWithContents",
       [](View patterns, View contents) { return Memory::minerva(test_device(), patterns, {.contents = contents}); }},
      {"ProjectionWithContents",
       [](View patterns, View contents) {
         return Memory::projection(test_device(), patterns, {.evaluation = Evaluation::dense, .contents = contents});
       }},
      {"Projection", [](View patterns, View) { return Memory::projection(test_device(), patterns); }},
      {"ProjectionWithOptions",
       [](View patterns, View) {
         return Memory::projection(test_device(), patterns,
                                   {.self_coupling = true, .ridge = 0.1F, .evaluation = Evaluation::factored});
       }},
      {"Storkey", [](View patterns,
                     View) { return Memory::storkey(test_device(), patterns, {.placement = Placement::streamed}); }},
      {"Bidirectional",
       [](View patterns, View) { return Memory::bidirectional(test_device(), patterns, {.first = 4}); }},
      {"ModernHopfield",
       [](View patterns, View) { return Memory::modern_hopfield(test_device(), patterns, {.beta = 1.0F / 3.0F}); }},
      {"ModernHopfieldWithContents",
       [](View patterns, View contents) {
         return Memory::modern_hopfield(test_device(), patterns, {.beta = 1e-20F, .contents = contents});
       }},
      {"StoredAsFloat16", stored_as(PatternStorage::float16)},
      {"StoredAsBfloat16", stored_as(PatternStorage::bfloat16)},
      {"ExponentialStoredAsBfloat16",
       [](View patterns, View) {
         return Memory::exponential(test_device(), patterns, {.storage = PatternStorage::bfloat16});
       }},
      {"ContentsStoredAsFloat16", with_contents_as(PatternStorage::float32, PatternStorage::float16)},
      {"ContentsStoredAsBfloat16", with_contents_as(PatternStorage::float16, PatternStorage::bfloat16)},
      {"ExponentialWithContentsStoredAsFloat16",
       [](View patterns, View contents) {
         return Memory::exponential(test_device(), patterns,
                                    {.contents = contents, .content_storage = PatternStorage::float16});
       }},
      {"FastPrecision",
       [](View patterns, View) {
         return Memory::modern_hopfield(test_device(), patterns, {.precision = ProductPrecision::fast});
       }},
      {"ExponentialOfFastPrecision",
       [](View patterns, View) {
         return Memory::exponential(test_device(), patterns, {.precision = ProductPrecision::fast});
       }},
      {"SharedWeights", adaptive({.squared_distance = some_weights(11), .beta_squared_distance = 0.7F})},
      {"Groups", adaptive({.dot = some_weights(4), .beta_dot = -0.3F, .groups = 3})},
      {"RoundedTerms", adaptive({.dot = some_weights(11), .precision = TermPrecision::bits16})},
      {"PerPattern",
       adaptive({.squared_distance = some_weights(11), .dot = some_weights(55), .log_prior = some_weights(5)})},
      {"AdaptiveWithContents",
       [](View patterns, View contents) {
         return Memory::adaptive(test_device(), patterns, {.dot = some_weights(11)}, {.contents = contents});
       }},
  };
}

class EachKindTest : public FilesTest, public testing::WithParamInterface<Kind> {
 protected:
  Memory memory_ = GetParam().make(patterns_, contents_);
};

/// Whether these are the same memories as far as anyone can tell.
void expect_same(const Memory& a, const Memory& b) {
  EXPECT_TRUE(same_bits(a.patterns(), b.patterns()));
  EXPECT_TRUE(same_bits(a.contents(), b.contents()));
  EXPECT_EQ(a.evaluation(), b.evaluation());
  EXPECT_EQ(a.rule(), b.rule());
  ASSERT_EQ(a.similarity() == nullptr, b.similarity() == nullptr);
  if (a.similarity() != nullptr) {
    const AdaptiveSimilarity& s = *a.similarity();
    const AdaptiveSimilarity& t = *b.similarity();
    for (const auto part :
         {&AdaptiveSimilarity::squared_distance, &AdaptiveSimilarity::dot, &AdaptiveSimilarity::log_prior})
      EXPECT_TRUE(same_bits(std::span<const float>(s.*part), std::span<const float>(t.*part)));
    EXPECT_EQ(s.beta_squared_distance, t.beta_squared_distance);
    EXPECT_EQ(s.beta_dot, t.beta_dot);
    EXPECT_EQ(s.groups, t.groups);
    EXPECT_EQ(s.precision, t.precision);
  }
  Rng rng(1);
  const Matrix<float> queries = noisy_copies(a.patterns(), 20, 0.2F, 1.0F, rng);
  const RelaxerOptions options{.update = tanh_update(), .max_steps = 4};
  EXPECT_TRUE(same_results(Relaxer(a, options).relax(queries), Relaxer(b, options).relax(queries)));
}

TEST_P(EachKindTest, ComesBackBitForBit) {
  save(memory_, path_);
  const Memory loaded = load(test_device(), path_);

  expect_same(memory_, loaded);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
  const std::string bytes = read_bytes(path_);
  save(loaded, path_);
  EXPECT_EQ(read_bytes(path_), bytes);
}

TEST_P(EachKindTest, IsRefusedWhereverItIsCutOff) {
  save(memory_, path_);
  const std::string bytes = read_bytes(path_);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    write_bytes(path_, bytes.substr(0, size));
    ASSERT_THROW(load(test_device(), path_), FileError) << size;
  }
  expect_refused(bytes + '\0', {"bytes"});
}

TEST_P(EachKindTest, AnyFlippedBitIsNoticed) {
  save(memory_, path_);
  const std::string bytes = read_bytes(path_);
  for (std::size_t place = 0; place < bytes.size(); ++place) {
    std::string damaged = bytes;
    damaged[place] = static_cast<char>(damaged[place] ^ (1 << rng_() % 8));
    // But for white space, which means nothing, and the name of the checksum: without one there is none to keep.
    const std::size_t name = bytes.find(checksum_key);
    if (bytes[place] == ' ' || (place > name && place <= name + std::strlen("checksum"))) continue;
    write_bytes(path_, damaged);
    ASSERT_THROW(load(test_device(), path_), FileError) << place;
  }
}

TEST_P(EachKindTest, MutationsAreRefusedOrMemories) {
  save(memory_, path_);
  const std::string bytes = without_checksum(read_bytes(path_));
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  for (int i = 0; i < 1000; ++i) {
    std::string mutated = bytes;
    // Mostly the header, sometimes anything.
    const std::uint64_t range = i % 4 == 0 ? bytes.size() : 8 + header;
    for (std::uint64_t changes = 1 + rng_() % 3; changes > 0; --changes) {
      const std::size_t place = rng_() % range;
      switch (rng_() % 4) {
        case 0: mutated.at(place) = static_cast<char>(rng_()); break;
        case 1: mutated.at(place) = "0123456789-[]{}\",:.e"[rng_() % 20]; break;
        case 2: mutated.at(place) = mutated.at(rng_() % range); break;
        default: mutated.at(place) = static_cast<char>(mutated.at(place) ^ (1 << rng_() % 8));
      }
    }
    try {
      const Memory loaded = load_bytes(mutated);
      EXPECT_GE(loaded.pattern_count(), 1);
    } catch (const Error& error) {
      EXPECT_FALSE(std::string(error.what()).empty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, EachKindTest, testing::ValuesIn(all_kinds()),
                         [](const auto& test) { return test.param.name; });

constexpr const char* modern = R"("__metadata__":{"format":"attractor memory","version":"1",)"
                               R"("rule":"modern_hopfield","beta":"2"})";

std::string header_with(const std::string& tensors) { return "{" + std::string(modern) + "," + tensors + "}"; }

TEST_F(FilesTest, ContentsThatARuleDoesNotReadOutAreRefused) {
  const std::string header = R"({"__metadata__":{"format":"attractor memory","version":"1",)"
                             R"("rule":"storkey","placement":"automatic"},)"
                             R"("patterns":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                             R"("contents":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]}})";

  expect_refused(make_file(header, {1, 0, 2}), {"storkey", "no weights"});
}

TEST_F(FilesTest, OfHebbianMemoriesNeedNotSayWhetherTheyAreCentred) {
  const std::string header = R"({"__metadata__":{"format":"attractor memory","version":"1","rule":"hebbian",)"
                             R"("self_coupling":"false","evaluation":"automatic","placement":"automatic"},)"
                             R"("patterns":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";

  expect_same(load_bytes(make_file(header, {1, 0})), Memory::hebbian(test_device(), matrix({{1, 0}})));
}

TEST_F(FilesTest, HaveTheLayoutOthersRead) {
  save(Memory::modern_hopfield(test_device(), matrix({{1, 2}, {-3, 0.5F}}),
                               {.beta = 0.25F, .contents = matrix({{7}, {8}})}),
       path_);

  const std::string header =
      R"({"__metadata__":{"beta":"0.25","content_storage":"float32","format":"attractor memory",)"
      R"("precision":"full","rule":"modern_hopfield","separation":"softmax","similarity":"dot","storage":"float32",)"
      R"("version":"1"},)"
      R"("contents":{"data_offsets":[16,24],"dtype":"F32","shape":[2,1]},)"
      R"("patterns":{"data_offsets":[0,16],"dtype":"F32","shape":[2,2]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(without_checksum(read_bytes(path_)), make_file(header + padding, {1, 2, -3, 0.5F, 7, 8}));
  // By another implementation of XXH3 (Python's xxhash), of the bytes that the header of <attractor/files.hpp> lists.
  EXPECT_EQ(checksum_of(read_bytes(path_)), "f6def0c0a11ce4ba");
}

TEST_F(FilesTest, ChecksumsDoNotGoByTheLayout) {
  save(Memory::modern_hopfield(test_device(), matrix({{1, 2}}), {.beta = 0.25F, .contents = matrix({{7}})}), path_);
  const std::string bytes = read_bytes(path_);
  std::string header = header_of(bytes);
  const auto set = [&](const std::string& from, const std::string& to) {
    header.replace(header.find(from), from.size(), to);
  };
  set(R"("data_offsets":[8,12])", R"("data_offsets":[0,4])");
  set(R"("data_offsets":[0,8])", R"( "data_offsets" : [4,12])");

  const Memory memory = load_bytes(make_file(header, {7, 1, 2}));

  EXPECT_TRUE(same_bits(memory.patterns(), matrix({{1, 2}})));
  EXPECT_TRUE(same_bits(memory.contents(), matrix({{7}})));
}

TEST_F(FilesTest, DamageIsNamed) {
  save(Memory::hebbian(test_device(), patterns_), path_);
  const std::string bytes = read_bytes(path_);
  std::string damaged = bytes;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);

  expect_refused(damaged, {"checksum", checksum_of(bytes), "damaged"});
}

TEST_F(FilesTest, HavePatternsOf16BitsAsTheyAreStored) {
  struct Stored {
    PatternStorage storage;
    std::string name;
    std::string dtype;
    std::uint32_t first;   ///< 1 and 2
    std::uint32_t second;  ///< −3 and 0.5
  };
  for (const Stored& kind : {Stored{PatternStorage::float16, "float16", "F16", 0x40003c00, 0x3800c200},
                             Stored{PatternStorage::bfloat16, "bfloat16", "BF16", 0x40003f80, 0x3f00c040}}) {
    save(Memory::exponential(test_device(), matrix({{1, 2}, {-3, 0.5F}}), {.storage = kind.storage}), path_);
    const std::string tensor = R"("patterns":{"data_offsets":[0,8],"dtype":")" + kind.dtype + R"(","shape":[2,2]}})";
    const std::string header = R"({"__metadata__":{"beta":"1","content_storage":"float32","format":"attractor memory",)"
                               R"("precision":"full","rule":"exponential","storage":")" +
                               kind.name + R"(","version":"1"},)" + tensor;
    const std::string padding((8 - header.size() % 8) % 8, ' ');
    const std::vector<float> bits = {std::bit_cast<float>(kind.first), std::bit_cast<float>(kind.second)};
    EXPECT_EQ(without_checksum(read_bytes(path_)), make_file(header + padding, bits)) << kind.name;

    // Of others, whatever the memory stores.
    expect_same(load_bytes(make_file("{" + std::string(modern) + "," + tensor, bits)),
                Memory::modern_hopfield(test_device(), matrix({{1, 2}, {-3, 0.5F}}), {.beta = 2.0F}));
  }
}

TEST_F(FilesTest, HaveContentsOf16BitsAsTheyAreStored) {
  struct Stored {
    PatternStorage storage;
    std::string name;
    std::string dtype;
    std::uint32_t bits;  ///< −3 and 0.5
  };
  const Matrix<float> patterns = matrix({{1}, {2}});
  const Matrix<float> contents = matrix({{-3}, {0.5F}});
  for (const Stored& kind : {Stored{PatternStorage::float16, "float16", "F16", 0x3800c200},
                             Stored{PatternStorage::bfloat16, "bfloat16", "BF16", 0x3f00c040}}) {
    save(Memory::exponential(test_device(), patterns, {.contents = contents, .content_storage = kind.storage}), path_);
    const std::string tensors = R"("contents":{"data_offsets":[8,12],"dtype":")" + kind.dtype +
                                R"(","shape":[2,1]},)"
                                R"("patterns":{"data_offsets":[0,8],"dtype":"F32","shape":[2,1]}})";
    const std::string header = R"({"__metadata__":{"beta":"1","content_storage":")" + kind.name +
                               R"(","format":"attractor memory","precision":"full","rule":"exponential",)"
                               R"("storage":"float32","version":"1"},)" +
                               tensors;
    const std::string padding((8 - header.size() % 8) % 8, ' ');
    const std::vector<float> values = {1, 2, std::bit_cast<float>(kind.bits)};
    EXPECT_EQ(without_checksum(read_bytes(path_)), make_file(header + padding, values)) << kind.name;

    // Of others, whatever the memory stores; files of before there was a choice say nothing of it.
    expect_same(load_bytes(make_file("{" + std::string(modern) + "," + tensors, values)),
                Memory::modern_hopfield(test_device(), patterns, {.beta = 2.0F, .contents = contents}));
  }
}

TEST_F(FilesTest, ContentsThatCannotBeStoredAsTheySayAreRefused) {
  const auto metadata = [](const std::string& storage) {
    return R"({"__metadata__":{"format":"attractor memory","version":"1","rule":"exponential","beta":"1",)"
           R"("content_storage":")" +
           storage + R"("},"patterns":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]})";
  };
  const std::string contents = R"(,"contents":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}})";

  EXPECT_NO_THROW(load_bytes(make_file(metadata("float16") + contents, {1, 65504})));
  expect_refused(make_file(metadata("float16") + contents, {1, 65520}), {"contents", "float16", "row 0", "65520"});
  expect_refused(make_file(metadata("float16") + "}", {1}), {"float16", "none were given"});
  expect_refused(make_file(metadata("half") + contents, {1, 2}), {"content_storage", "half"});
}

/// What patterns go by, and what the next one will.
std::vector<Index> identifiers(Memory memory) {
  std::vector<Index> result;
  memory.imprint(Matrix<float>(1, memory.dimension()));
  for (Index i = 0; i < memory.pattern_count(); ++i) result.push_back(memory.identifier_of(i));
  return result;
}

TEST_F(FilesTest, KeepIdentifiers) {
  Memory memory = Memory::hebbian(test_device(), patterns_);
  memory.forget({1, 4});
  save(memory, path_);
  const Memory loaded = load(test_device(), path_);
  EXPECT_EQ(identifiers(loaded), (std::vector<Index>{0, 2, 3, 5}));

  memory.forget({0, 1, 2});
  save(memory, path_);
  EXPECT_EQ(identifiers(load(test_device(), path_)), (std::vector<Index>{5}));
}

TEST_F(FilesTest, IdentifiersThatCannotBeAreRefused) {
  struct Case {
    std::string next;
    std::string tensor;
    std::array<std::int64_t, 2> values;
    std::string word;
  };
  const std::string good = R"({"dtype":"I64","shape":[2],"data_offsets":[0,16]})";
  const auto file = [](const Case& given) {
    const std::string header = R"({"__metadata__":{"format":"attractor memory","version":"1","rule":"exponential",)"
                               R"("beta":"1")" +
                               given.next + R"(},"identifiers":)" + given.tensor +
                               R"(,"patterns":{"dtype":"F32","shape":[2,1],"data_offsets":[16,24]}})";
    std::vector<float> values(6, 1.0F);
    std::memcpy(values.data(), given.values.data(), sizeof(given.values));
    return make_file(header, values);
  };
  EXPECT_EQ(identifiers(load_bytes(file({R"(,"next_identifier":"9")", good, {3, 7}, {}}))),
            (std::vector<Index>{3, 7, 9}));
  for (const Case& wrong : {
           Case{"", good, {3, 7}, "next_identifier"},
           {R"(,"next_identifier":"many")", good, {3, 7}, "next_identifier"},
           {R"(,"next_identifier":"7")", good, {3, 7}, "below 7"},
           {R"(,"next_identifier":"9")", good, {7, 3}, "ascend"},
           {R"(,"next_identifier":"9")", good, {3, 3}, "ascend"},
           {R"(,"next_identifier":"9")", good, {-1, 3}, "ascend"},
           {R"(,"next_identifier":"9")", R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})", {3, 7}, "I64"},
           {R"(,"next_identifier":"9")",
            R"({"dtype":"I64","shape":[1,2],"data_offsets":[0,16]})",
            {3, 7},
            "dimensions"},
           {R"(,"next_identifier":"9")", R"({"dtype":"I64","shape":[3],"data_offsets":[0,16]})", {3, 7}, "shape"},
       })
    expect_refused(file(wrong), {wrong.word});
  // As many as there are patterns.
  const std::string one_pattern = R"({"__metadata__":{"format":"attractor memory","version":"1","rule":"exponential",)"
                                  R"("beta":"1","next_identifier":"9"},"identifiers":)" +
                                  good + R"(,"patterns":{"dtype":"F32","shape":[1,2],"data_offsets":[16,24]}})";
  expect_refused(make_file(one_pattern, {0, 0, 0, 0, 1, 1}), {"2 identifiers", "1 patterns"});
  const auto without_patterns = [](const std::string& next) {
    const std::string header = R"({"__metadata__":{"format":"attractor memory","version":"1","rule":"exponential",)"
                               R"("beta":"1","next_identifier":")" +
                               next +
                               R"("},"identifiers":{"dtype":"I64","shape":[0],"data_offsets":[0,0]},)"
                               R"("patterns":{"dtype":"F32","shape":[0,2],"data_offsets":[0,0]}})";
    return make_file(header, {});
  };
  EXPECT_EQ(identifiers(load_bytes(without_patterns("4"))), (std::vector<Index>{4}));
  expect_refused(without_patterns("-1"), {"below -1"});
}

/// Files as version 0.1 wrote them.
class OldFilesTest : public FilesTest {
 protected:
  [[nodiscard]] static Memory read(const std::string& name) {
    return load(test_device(), fs::path(ATTRACTOR_OLD_FILES) / name);
  }

  Matrix<float> bipolar_ = matrix({{1, -1, 1, -1, -1, 1}, {-1, 1, -1, 1, -1, -1}, {-1, -1, 1, -1, 1, -1}});
  Matrix<float> contents_ = matrix({{0, -0.5F}, {1, 0.5F}, {2, 1.5F}});
  std::vector<float> priors_ = {0.0F, -0.5F, -std::numeric_limits<float>::infinity()};
};

TEST_F(OldFilesTest, AreStillRead) {
  const Device device = test_device();
  expect_same(read("hebbian"), Memory::hebbian(device, bipolar_,
                                               {.centred = true,
                                                .rate = 0.5F,
                                                .decay = 0.75F,
                                                .thresholds = {0.0F, 0.125F, 0.0F, -0.125F, 0.0F, 0.25F},
                                                .contents = contents_}));
  expect_same(read("projection"), Memory::projection(device, bipolar_, {.ridge = 0.25F}));
  expect_same(read("storkey"), Memory::storkey(device, bipolar_));
  expect_same(read("bidirectional"), Memory::bidirectional(device, bipolar_, {.first = 2}));
  expect_same(read("dense_associative"), Memory::dense_associative(device, bipolar_, {.order = 4, .rectified = true}));
  expect_same(read("minerva"), Memory::minerva(device, bipolar_, {.contents = contents_}));
  expect_same(read("exponential"), Memory::exponential(device, bipolar_, {.beta = 0.5F}));
  expect_same(read("modern_hopfield"), Memory::modern_hopfield(device, bipolar_,
                                                               {.beta = 2.0F,
                                                                .similarity = Similarity::squared_distance,
                                                                .separation = entmax(1.5F),
                                                                .storage = PatternStorage::bfloat16,
                                                                .log_prior = priors_,
                                                                .contents = contents_,
                                                                .content_storage = PatternStorage::float16}));
  expect_same(read("adaptive"), Memory::adaptive(device, bipolar_,
                                                 {.squared_distance = {1.0F, 0.5F, 0.25F, 0.25F, 0.0F, 0.0F},
                                                  .dot = {0.0F, 0.0F, 0.5F, 0.5F, 1.0F, 1.0F},
                                                  .beta_dot = 0.5F,
                                                  .log_prior = priors_},
                                                 {.contents = contents_}));
}

/// Files of others, whose tensors have other names and whose metadata say nothing of memories.
class PlainFilesTest : public FilesTest {
 protected:
  [[nodiscard]] Memory load_plain(const std::string& rule, const TensorNames& names = {}) const {
    return load(test_device(), path_, rule, names);
  }

  void expect_refused_as(const std::string& rule, const TensorNames& names,
                         std::initializer_list<std::string> words) const {
    try {
      static_cast<void>(load_plain(rule, names));
      ADD_FAILURE() << "accepted; expected an error about " << *words.begin();
    } catch (const FileError& error) {
      for (const std::string& word : words)
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what() << " lacks " << word;
    }
  }

  void SetUp() override {
    const std::string header = R"({"__metadata__":{"format":"pt","checksum":"of others"},)"
                               R"("w.emb":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                               R"("labels":{"dtype":"BF16","shape":[2,2],"data_offsets":[24,32]},)"
                               R"("prior":{"dtype":"F32","shape":[2],"data_offsets":[32,40]},)"
                               R"("ids":{"dtype":"I64","shape":[1],"data_offsets":[40,48]}})";
    const auto bits = [](std::uint32_t pair) { return std::bit_cast<float>(pair); };
    write_bytes(path_, make_file(header, {1, 2, 3, -1, 0.5F, 4, bits(0x40003f80), bits(0x3f00c040), 0, -1, 0, 0}));
  }

  Matrix<float> embeddings_ = matrix({{1, 2, 3}, {-1, 0.5F, 4}});
};

TEST_F(PlainFilesTest, AreMemoriesUnderARuleInWords) {
  expect_same(load_plain("projection(ridge = 0.5)", {.patterns = "w.emb"}),
              Memory::projection(test_device(), embeddings_, {.ridge = 0.5F}));
  expect_same(
      load_plain("modern_hopfield(beta = 2)", {.patterns = "w.emb", .contents = "labels", .log_prior = "prior"}),
      Memory::modern_hopfield(test_device(), embeddings_,
                              {.beta = 2.0F, .log_prior = {0.0F, -1.0F}, .contents = matrix({{1, 2}, {-3, 0.5F}})}));
}

TEST_F(PlainFilesTest, AreAlsoThoseOfMemories) {
  save(Memory::hebbian(test_device(), patterns_), path_);
  expect_same(load_plain("storkey"), Memory::storkey(test_device(), patterns_));
}

TEST_F(PlainFilesTest, WhatTheyLackIsNamed) {
  expect_refused_as("hebbian", {}, {path_.string(), "no tensor patterns"});
  expect_refused_as("hebbian", {.patterns = "w.emb", .contents = "values"}, {"no tensor values"});
  expect_refused_as("hebbian", {.patterns = "prior"}, {"prior", "1 dimensions"});
  expect_refused_as("hebbian", {.patterns = "ids"}, {"ids", "I64", "F32, F16 or BF16"});
  expect_refused_as("hebbian", {.patterns = "w.emb", .log_prior = "prior"}, {path_.string(), "no log-priors"});
  expect_refused_as("hebbian", {.patterns = "w.emb", .thresholds = "prior"}, {"2 thresholds", "3"});
  EXPECT_THROW(static_cast<void>(load_plain("hebb", {.patterns = "w.emb"})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(load_plain("adaptive", {.patterns = "w.emb"})), NotSupported);
}

TEST_F(FilesTest, AreReadAsOthersWriteThem) {
  // Any order of tensors, white space, integers of other types, metadata and tensors that mean nothing here.
  const std::string header =
      "{ \"b\" : {\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":[16,20]},\n" + std::string(modern) +
      R"(,"patterns":{"shape":[2,2],"by":{"whom":[1,{"dtype":null}]},"data_offsets":[0,16],"dtype":"F32"}}   )";
  const Memory memory = load_bytes(make_file(header, {1, 2, 3, 4, 0}));

  expect_same(memory, Memory::modern_hopfield(test_device(), matrix({{1, 2}, {3, 4}}), {.beta = 2.0F}));
}

TEST_F(FilesTest, WrongHeadersAreRefused) {
  const std::string good = R"("patterns":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]})";
  EXPECT_NO_THROW(load_bytes(make_file(header_with(good), {1, 2})));
  const auto refuse = [&](const std::string& header, std::initializer_list<std::string> words) {
    expect_refused(make_file(header, {1, 2}), words);
  };
  const auto refuse_tensor = [&](const std::string& tensor, std::initializer_list<std::string> words) {
    refuse(header_with("\"patterns\":" + tensor), words);
  };
  refuse("", {"JSON"});
  refuse("{", {"JSON"});
  refuse("[]", {"object"});
  refuse("7", {"object"});
  refuse(header_with(good) + "x", {"JSON"});
  refuse(header_with(good + "," + good), {"patterns", "twice"});
  refuse("{" + good + "}", {"metadata", "format"});
  refuse(R"({"__metadata__":{"format":7},)" + good + "}", {"metadata", "format", "string"});
  refuse(R"({"__metadata__":[],)" + good + "}", {"__metadata__", "object"});
  refuse("{" + std::string(modern) + "}", {"8 bytes", "0"});
  refuse(header_with(R"("other":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]})"), {"no tensor patterns"});
  refuse_tensor("8", {"patterns", "object"});
  refuse_tensor("{}", {"dtype"});
  refuse_tensor(R"({"dtype":1,"shape":[1,2],"data_offsets":[0,8]})", {"dtype", "string"});
  refuse_tensor(R"({"dtype":"F64","shape":[1,1],"data_offsets":[0,8]})", {"F64", "F32", "F16", "BF16"});
  refuse_tensor(R"({"dtype":"BF16","shape":[1,2],"data_offsets":[0,8]})", {"8 bytes", "shape"});
  refuse_tensor(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})", {"shape", "array"});
  refuse_tensor(R"({"dtype":"F32","shape":[1,-2],"data_offsets":[0,8]})", {"shape", "whole"});
  for (const std::string other : {"2.0", "null", "true", "\"2\"", "[2]", "{}"})
    refuse_tensor(R"({"dtype":"F32","shape":[1,)" + other + R"(],"data_offsets":[0,8]})", {"shape", "whole"});
  refuse_tensor(R"({"dtype":"F32","shape":[1,18446744073709551615],"data_offsets":[0,8]})", {"shape", "whole"});
  refuse_tensor(R"({"dtype":"F32","shape":[1,3],"data_offsets":[0,8]})", {"8 bytes", "shape"});
  refuse_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", {"1 dimensions"});
  refuse_tensor(R"({"dtype":"F32","shape":[1,1,2],"data_offsets":[0,8]})", {"3 dimensions"});
  // 2⁶³ · 2⁶² · 4 is 0 in 64 bits.
  refuse_tensor(R"({"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,8]})", {"shape"});
  refuse_tensor(R"({"dtype":"F32","shape":[1,2],"data_offsets":[0]})", {"data_offsets"});
  refuse_tensor(R"({"dtype":"F32","shape":[1,2],"data_offsets":[8,0]})", {"data_offsets"});
  refuse_tensor(R"({"dtype":"F32","shape":[1,2],"data_offsets":[0,16]})", {"8 bytes", "16"});
  refuse_tensor(R"({"dtype":"F32","shape":[1,1],"data_offsets":[4,8]})", {"gap"});
  refuse(header_with(good + R"(,"contents":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]})"), {"overlap"});
  refuse(std::string(100000, '['), {"JSON"});
}

TEST_F(FilesTest, LengthsBeyondTheFileAreRefused) {
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{1} << 40U, ~std::uint64_t{0}}) {
    std::string bytes(10, '{');
    std::memcpy(bytes.data(), &length, sizeof(length));
    expect_refused(bytes, {std::to_string(length), "10"});
  }
}

TEST_F(FilesTest, WrongMetadataIsRefused) {
  const auto refuse = [&](const std::string& metadata, std::initializer_list<std::string> words) {
    expect_refused(make_file(R"({"__metadata__":{"format":"attractor memory",)" + metadata +
                                 R"(},"patterns":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})",
                             {1, 2}),
                   words);
  };
  refuse(R"("version":"2")", {"version", "2"});
  refuse(R"("version":"1")", {"rule"});
  refuse(R"("version":"1","rule":"hopfield")", {"rule", "hopfield"});
  refuse(R"("version":"1","rule":"modern_hopfield")", {"beta"});
  for (const std::string beta : {"", "two", "1x", "1e99", "-1", "nan", " 1"})
    refuse(R"("version":"1","rule":"modern_hopfield","beta":")" + beta + "\"", {"beta"});
  for (const std::string separation :
       {"", "entmax", "entmax(", "entmax()", "entmax(1.5", "entmax(1.5, 2)", "entmax(nan)", "entmax(3)", "softmax()",
        "softmax(1)", "top(0)", "top(1e9)", "top(99999999999)", "top(1)x", "top((1))", "maximum", ")", "(", "top(1, )"})
    refuse(R"("version":"1","rule":"modern_hopfield","beta":"1","separation":")" + separation + "\"", {});
  refuse(R"("version":"1","rule":"modern_hopfield","beta":"1","precision":"quick")", {"precision", "quick"});
  refuse(R"("version":"1","rule":"modern_hopfield","beta":"1","precision":"fast","similarity":"cosine")",
         {"precision", "cosine"});
  refuse(R"("version":"1","rule":"hebbian","self_coupling":"1","evaluation":"dense","placement":"resident")",
         {"self_coupling"});
  refuse(R"("version":"1","rule":"hebbian","self_coupling":"true","evaluation":"sparse","placement":"resident")",
         {"evaluation", "sparse"});
  refuse(
      R"("version":"1","rule":"adaptive","beta_squared_distance":"1","beta_dot":"1","groups":"1","precision":"full")",
      {"similarity"});
  refuse(
      R"("version":"1","rule":"adaptive","beta_squared_distance":"1","beta_dot":"1","groups":"1.5","precision":"full")",
      {"groups"});
  refuse(
      R"("version":"1","rule":"adaptive","beta_squared_distance":"1","beta_dot":"1","groups":"1","precision":"half")",
      {"precision"});
}

TEST_F(FilesTest, ValuesThatMakeNoMemoryAreRefused) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_refused(make_file(header_with(R"("patterns":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]})"), {1, nan}),
                 {"finite"});
  expect_refused(make_file(header_with(R"("patterns":{"dtype":"F32","shape":[0,0],"data_offsets":[0,0]})"), {}),
                 {"[0, 0]"});
}

TEST_F(FilesTest, AreNamedWhereTheyCannotBeReadOrWritten) {
  const Memory memory = Memory::hebbian(test_device(), patterns_);
  for (const fs::path& path : {folder_ / "nothing", folder_.path()}) {
    try {
      static_cast<void>(load(test_device(), path));
      ADD_FAILURE() << path;
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(save(memory, folder_ / "nowhere" / "memory"), FileError);
  EXPECT_THROW(save(memory, folder_.path()), FileError);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

/// The permissions of a file.
fs::perms permissions(const fs::path& path) { return fs::status(path).permissions(); }

TEST_F(FilesTest, KeepThePermissionsOfTheFileTheyReplace) {
  const Memory memory = Memory::hebbian(test_device(), patterns_);
  for (const unsigned mode : {0600U, 0640U, 0664U, 0755U}) {
    save(memory, path_);
    fs::permissions(path_, static_cast<fs::perms>(mode));

    save(memory, path_);

    EXPECT_EQ(permissions(path_), static_cast<fs::perms>(mode));
  }
}

TEST_F(FilesTest, AreMadeWithThePermissionsOfTheProcessWhereThereWasNone) {
  const mode_t before = umask(027);
  save(Memory::hebbian(test_device(), patterns_), path_);
  umask(before);

  EXPECT_EQ(permissions(path_), static_cast<fs::perms>(0640));
}

TEST_F(FilesTest, KeepTheOwnerOfTheFileTheyReplace) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  const Memory memory = Memory::hebbian(test_device(), patterns_);
  save(memory, path_);
  fs::permissions(path_, static_cast<fs::perms>(0640));
  ASSERT_EQ(chown(path_.c_str(), 12345, 23456), 0);

  save(memory, path_);

  struct stat now {};
  ASSERT_EQ(stat(path_.c_str(), &now), 0);
  EXPECT_EQ(now.st_uid, 12345U);
  EXPECT_EQ(now.st_gid, 23456U);
  EXPECT_EQ(permissions(path_), static_cast<fs::perms>(0640));
}

TEST_F(FilesTest, GoWhereLinksLead) {
  const Memory memory = Memory::hebbian(test_device(), patterns_);
  fs::create_directories(folder_ / "store");
  const fs::path target = folder_ / "store" / "memory";
  fs::create_symlink("store/memory", folder_ / "inner");
  fs::create_symlink(folder_ / "inner", path_);
  for (const char* const when : {"where nothing is", "where a file is"}) {
    save(memory, path_);

    EXPECT_TRUE(fs::is_symlink(path_) && fs::is_symlink(folder_ / "inner")) << when;
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(target))) << when;
    EXPECT_TRUE(same_bits(load(test_device(), target).patterns(), patterns_)) << when;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(target.parent_path()), fs::directory_iterator()), 1);
  fs::create_symlink("circle", folder_ / "circle");
  EXPECT_THROW(save(memory, folder_ / "circle"), FileError);
}

TEST_F(FilesTest, DoNotReplaceWhatIsNoFile) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);

  EXPECT_THROW(save(Memory::hebbian(test_device(), patterns_), path_), FileError);

  EXPECT_TRUE(fs::is_fifo(path_));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

TEST_F(FilesTest, MayHaveTheLongestNames) {
  const fs::path path = folder_ / std::string(255, 'm');

  save(Memory::hebbian(test_device(), patterns_), path);

  EXPECT_TRUE(fs::is_regular_file(path));
}

TEST_F(FilesTest, ReadersFindTheOldOrTheNewFile) {
  const Memory first = Memory::hebbian(test_device(), patterns_);
  const Memory second = Memory::hebbian(test_device(), random_gaussian(30, 100, rng_));
  save(first, path_);
  {
    const std::jthread writer([&] {
      for (int i = 0; i < 100; ++i) save(i % 2 == 0 ? second : first, path_);
    });
    for (int i = 0; i < 100; ++i) {
      const Index count = load(test_device(), path_).pattern_count();
      EXPECT_TRUE(count == 5 || count == 30);
    }
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace attractor::test
