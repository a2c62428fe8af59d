/// Bounded memory, and offsets beyond 32 bits.

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

/// Bytes that the process has allocated at present, in every arena and by mmap.
std::size_t allocated_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST(AllocatedBytesTest, SeesAnAllocation) {
  constexpr std::size_t size = 1U << 16U;
  const std::size_t before = allocated_bytes();

  const auto block = std::make_unique_for_overwrite<std::byte[]>(size);

  EXPECT_GE(allocated_bytes(), before + size) << "at " << block.get();
}

/// The most that a call into the caller's buffers has allocated at any report of its progress.
std::size_t extra_memory(const Memory& memory, const Matrix<float>& queries) {
  Matrix<float> states(queries.rows(), queries.columns());
  std::vector<std::int32_t> steps(static_cast<std::size_t>(queries.rows()));
  std::vector<float> energies(steps.size());
  std::vector<Status> status(steps.size());
  const Relaxer relaxer(memory, {.update = tanh_update(), .max_steps = 5, .threads = 1});
  const std::size_t before = allocated_bytes();
  std::size_t most = before;

  relaxer.relax(queries, {.states = states.view(), .steps = steps, .energies = energies, .status = status},
                {.progress = [&](const Progress&) { most = std::max(most, allocated_bytes()); }});

  return most - before;
}

TEST(ExtraMemoryTest, DoesNotGrowWithTheNumberOfQueries) {
  Rng rng(60);
  const Matrix<float> patterns = random_bipolar(6, 24, rng);
  const Matrix<float> few = noisy_copies(patterns, 1000, 0.2F, 1.5F, rng);
  const Matrix<float> many = noisy_copies(patterns, 200000, 0.2F, 1.5F, rng);
  const Device cpu = Device::cpu();
  for (const Memory& memory :
       {Memory::hebbian(cpu, patterns, {.evaluation = Evaluation::factored}),
        Memory::hebbian(cpu, patterns, {.evaluation = Evaluation::dense}), Memory::modern_hopfield(cpu, patterns)}) {
    extra_memory(memory, few);  // What is allocated once and kept, such as generated code.

    // Half a byte for each further query would show.
    EXPECT_LE(extra_memory(memory, many), extra_memory(memory, few) + 100000);
  }
}

TEST(ExtraMemoryTest, DoesNotGrowWithTheNumberOfPatterns) {
  Rng rng(62);
  const Device cpu = Device::cpu();
  const auto memories = [&](const Matrix<float>& patterns) {
    const AdaptiveSimilarity similarity{.squared_distance = std::vector<float>(8, 1.0F)};
    return std::vector<Memory>{Memory::hebbian(cpu, patterns, {.evaluation = Evaluation::factored}),
                               Memory::hebbian(cpu, patterns, {.evaluation = Evaluation::dense}),
                               Memory::modern_hopfield(cpu, patterns), Memory::adaptive(cpu, patterns, similarity)};
  };
  // Both beyond what is worked on at a time.
  const std::vector<Memory> many = memories(random_gaussian(70000, 8, rng));
  const std::vector<Memory> more = memories(random_gaussian(140000, 8, rng));
  const Matrix<float> queries = random_gaussian(70, 8, rng);
  for (std::size_t i = 0; i < many.size(); ++i) {
    extra_memory(many[i], queries);

    // Half a byte for each further pattern would show.
    EXPECT_LE(extra_memory(more[i], queries), extra_memory(many[i], queries) + 35000) << "memory " << i;
  }
}

/// Zeroed pages that take no memory until they are touched.
class SparsePages {
 public:
  explicit SparsePages(std::size_t bytes)
      : bytes_(bytes),
        start_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~SparsePages() { munmap(start_, bytes_); }
  SparsePages(const SparsePages&) = delete;
  SparsePages& operator=(const SparsePages&) = delete;

  bool mapped() const { return start_ != MAP_FAILED; }
  float* floats() const { return static_cast<float*>(start_); }

 private:
  std::size_t bytes_;
  void* start_;
};

TEST(GrowthTest, NewPatternsTakeTheRoomThatThereIs) {
  Rng rng(63);
  const Device cpu = Device::cpu();
  const Matrix<float> patterns = random_bipolar(20000, 32, rng);
  const Matrix<float> more = random_bipolar(1000, 32, rng);
  const auto modern = [&](Similarity similarity, const NormalisedSeparation& separation = softmax()) {
    return Memory::modern_hopfield(cpu, patterns, {.similarity = similarity, .separation = separation});
  };
  const ModernHopfieldOptions halves{.contents = patterns, .content_storage = PatternStorage::float16};
  using enum Similarity;
  std::vector<Memory> memories = {modern(dot),
                                  modern(squared_distance),
                                  modern(manhattan),
                                  modern(cosine),
                                  modern(dot, entmax()),
                                  modern(squared_distance, epanechnikov()),
                                  Memory::exponential(cpu, patterns),
                                  Memory::hebbian(cpu, patterns),
                                  Memory::hebbian(cpu, patterns, {.contents = patterns}),
                                  Memory::bidirectional(cpu, patterns, {.first = 10}),
                                  Memory::exponential(cpu, patterns, {.storage = PatternStorage::float16}),
                                  Memory::adaptive(cpu, patterns, {.squared_distance = std::vector<float>(32, 1.0F)}),
                                  Memory::modern_hopfield(cpu, patterns, {.contents = patterns}),
                                  Memory::modern_hopfield(cpu, patterns, halves)};
  while (!memories.empty()) {
    Memory memory = std::move(memories.back());
    memories.pop_back();
    const Matrix<float> contents = memory.content_dimension() > 0 ? copy(more) : Matrix<float>();
    memory.imprint(more, contents);
    const std::size_t before = allocated_bytes();

    memory.imprint(more, contents);

    // Made anew it would have 128,000 bytes of patterns more.
    EXPECT_LT(allocated_bytes(), before + 64000) << memory.rule();
    EXPECT_EQ(memory.pattern_count(), 22000);
  }
}

/// What a memory takes for each of the 4000 × 128 entries stored.
template <class Make>
double bytes_of(const Make& make) {
  const std::size_t before = allocated_bytes();
  const Memory memory = make();
  return static_cast<double>(allocated_bytes() - before) / static_cast<double>(4000 * 128);
}

TEST(StorageTest, PatternsOf16BitsTakeHalfTheMemory) {
  Rng rng(64);
  Matrix<float> near = random_gaussian(4000, 128, rng);
  Matrix<float> far = copy(near);
  for (Index i = 0; i < far.size(); ++i) far.data()[i] += 100.0F;
  using enum Similarity;
  for (const Matrix<float>* const patterns : {&near, &far})
    for (const PatternStorage storage : {PatternStorage::float32, PatternStorage::float16, PatternStorage::bfloat16}) {
      std::vector<double> bytes = {
          bytes_of([&] { return Memory::exponential(Device::cpu(), *patterns, {.storage = storage}); }), bytes_of([&] {
            return Memory::modern_hopfield(
                Device::cpu(), *patterns,
                {.similarity = squared_distance, .separation = epanechnikov(), .storage = storage});
          })};
      for (const Similarity similarity : {dot, squared_distance, manhattan, cosine})
        bytes.push_back(bytes_of([&] {
          return Memory::modern_hopfield(Device::cpu(), *patterns, {.similarity = similarity, .storage = storage});
        }));
      // A little is there for each pattern, whatever its dimension.
      for (const double each : bytes)
        if (storage == PatternStorage::float32)
          EXPECT_GT(each, 4.0);
        else
          EXPECT_LT(each, 2.2);
    }
}

TEST(StorageTest, ContentsOf16BitsTakeHalfTheMemory) {
  Rng rng(65);
  const Matrix<float> patterns = random_gaussian(4000, 8, rng);
  const Matrix<float> contents = random_gaussian(4000, 128, rng);
  for (const PatternStorage storage : {PatternStorage::float32, PatternStorage::float16, PatternStorage::bfloat16}) {
    const ExponentialOptions exponential{.contents = contents, .content_storage = storage};
    const ModernHopfieldOptions modern{.contents = contents, .content_storage = storage};
    ModernHopfieldOptions balls = modern;
    balls.similarity = Similarity::manhattan;
    balls.separation = epanechnikov();
    for (const double each : {bytes_of([&] { return Memory::exponential(Device::cpu(), patterns, exponential); }),
                              bytes_of([&] { return Memory::modern_hopfield(Device::cpu(), patterns, modern); }),
                              bytes_of([&] { return Memory::modern_hopfield(Device::cpu(), patterns, balls); })})
      // The patterns take a sixteenth of what contents take as floats.
      if (storage == PatternStorage::float32)
        EXPECT_GT(each, 4.0);
      else
        EXPECT_LT(each, 2.5);
  }
}

TEST(LargeOffsetTest, RowsMayLieGigabytesApart) {
  Rng rng(61);
  const Index stride = (Index{1} << 31) + 5;  // elements: past every 32-bit offset in the second row already
  const Matrix<float> patterns = random_bipolar(4, 40, rng);
  const Matrix<float> queries = noisy_copies(patterns, 3, 0.2F, 1.0F, rng);
  const Relaxer relaxer(Memory::hebbian(Device::cpu(), patterns), {.update = tanh_update()});
  const SparsePages query_pages(static_cast<std::size_t>(3 * stride) * sizeof(float));
  const SparsePages state_pages(static_cast<std::size_t>(3 * stride) * sizeof(float));
  ASSERT_TRUE(query_pages.mapped() && state_pages.mapped());
  const MatrixView<float> far_queries(query_pages.floats(), 3, 40, stride);
  const MatrixView<float> far_states(state_pages.floats(), 3, 40, stride);
  for (Index i = 0; i < 3; ++i) std::copy_n(queries.row(i), 40, far_queries.row(i));

  relaxer.relax(far_queries, {.states = far_states});

  EXPECT_TRUE(same_bits(far_states, relaxer.relax(queries).states.view()));
}

}  // namespace
}  // namespace attractor::test
