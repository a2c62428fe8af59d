/// Data at addresses that the host can't read, as those of a CUDA device's memory: every function that takes data on
/// the host says which they are, instead of ending the program.

#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"

namespace attractor::test {
namespace {

constexpr Index dimension = 6;
constexpr Index pattern_count = 3;
constexpr Index query_count = 4;

/// Two pages, the second of which no one may touch.
class Pages {
 public:
  Pages()
      : size_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))),
        start_(mmap(nullptr, 2 * size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (start_ == MAP_FAILED || mprotect(second(), size_, PROT_NONE) != 0) throw std::bad_alloc();
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() { munmap(start_, 2 * size_); }

  [[nodiscard]] void* second() const { return static_cast<std::byte*>(start_) + size_; }

 private:
  std::size_t size_;
  void* start_;
};

class HostMemoryTest : public testing::Test {
 protected:
  void expect_refused(const std::string& name, const std::function<void()>& call) const {
    try {
      call();
      ADD_FAILURE() << name << " were accepted";
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(std::string(error.what()).find(name + " are at an address that the host can't read"), 0U)
          << error.what();
    }
  }

  template <class T = float>
  [[nodiscard]] std::span<T> far_values(Index count) const {
    return {static_cast<T*>(pages_.second()), static_cast<std::size_t>(count)};
  }
  [[nodiscard]] MatrixView<float> far_rows(Index rows, Index columns = dimension) const {
    return {far_values(0).data(), rows, columns};
  }

  Pages pages_;
  Rng rng_{140};
  Matrix<float> patterns_ = random_bipolar(pattern_count, dimension, rng_);
  Matrix<float> queries_ = random_bipolar(query_count, dimension, rng_);
  Matrix<float> contents_ = random_gaussian(pattern_count, 2, rng_);
  std::vector<Index> origins_ = {0, 1, 2, 0};
  AdaptiveSimilarity similarity_{.dot = std::vector<float>(dimension, 0.5F)};
};

TEST_F(HostMemoryTest, MemoriesTakePatternsAndContentsFromThere) {
  const Device cpu = Device::cpu();
  expect_refused("patterns", [&] { static_cast<void>(Memory::hebbian(cpu, far_rows(3))); });
  expect_refused("patterns", [&] { static_cast<void>(Memory::projection(cpu, far_rows(3))); });
  expect_refused("patterns", [&] { static_cast<void>(Memory::modern_hopfield(cpu, far_rows(3))); });
  expect_refused("patterns", [&] { static_cast<void>(Memory::adaptive(cpu, far_rows(3), similarity_)); });
  expect_refused("contents",
                 [&] { static_cast<void>(Memory::hebbian(cpu, patterns_, {.contents = far_rows(pattern_count, 2)})); });
  expect_refused("contents", [&] {
    static_cast<void>(Memory::modern_hopfield(cpu, patterns_, {.contents = far_rows(pattern_count, 2)}));
  });
  expect_refused("contents", [&] {
    static_cast<void>(Memory::adaptive(cpu, patterns_, similarity_, {.contents = far_rows(pattern_count, 2)}));
  });
}

TEST_F(HostMemoryTest, MemoriesChangeByWhatIsThere) {
  Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_, {.contents = contents_.view()});
  expect_refused("patterns", [&] { memory.imprint(far_rows(1), contents_.view().slice(0, 1)); });
  expect_refused("contents", [&] { memory.imprint(patterns_.view().slice(0, 1), far_rows(1, 2)); });
  expect_refused("indices", [&] { memory.forget(far_values<Index>(1)); });
  EXPECT_EQ(memory.pattern_count(), pattern_count);
}

TEST_F(HostMemoryTest, RelaxersReadAndWriteThere) {
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_, {.contents = contents_.view()});
  const Relaxer relaxer(memory, {.max_steps = 3, .energy_trace = true});
  const Matrix<std::uint8_t> clamped = filled<std::uint8_t>(query_count, dimension, 0);
  const MatrixView<const std::uint8_t> far_clamped(far_values<std::uint8_t>(0).data(), query_count, dimension);
  expect_refused("queries", [&] { static_cast<void>(relaxer.relax(far_rows(query_count))); });
  expect_refused("clamped neurons", [&] { static_cast<void>(relaxer.relax(queries_, {.clamped = far_clamped})); });

  Relaxation result = relaxer.relax(queries_);
  const RelaxationView near{.states = result.states,
                            .steps = result.steps,
                            .energies = result.energies,
                            .status = result.status,
                            .energy_trace = result.energy_trace,
                            .contents = result.contents};
  const auto expect_result_refused = [&](const std::string& name, const std::function<void(RelaxationView&)>& move) {
    RelaxationView view = near;
    move(view);
    expect_refused(name, [&] { relaxer.relax(queries_, view); });
  };
  expect_result_refused("states", [&](auto& view) { view.states = far_rows(query_count); });
  expect_result_refused("steps", [&](auto& view) { view.steps = far_values<std::int32_t>(query_count); });
  expect_result_refused("energies", [&](auto& view) { view.energies = far_values(query_count); });
  expect_result_refused("status", [&](auto& view) { view.status = far_values<Status>(query_count); });
  expect_result_refused("energy traces", [&](auto& view) { view.energy_trace = far_rows(query_count, 3); });
  expect_result_refused("contents", [&](auto& view) { view.contents = far_rows(query_count, 2); });
}

TEST_F(HostMemoryTest, RetrievalFitsFootprintsAndVariantsReadThere) {
  const Device cpu = Device::cpu();
  const Memory memory = Memory::adaptive(cpu, patterns_, similarity_);
  const std::vector<FootprintPair> pairs(1);
  expect_refused("queries", [&] { static_cast<void>(retrieve(memory, far_rows(query_count))); });
  expect_refused("queries", [&] { static_cast<void>(recall(memory, far_rows(query_count))); });
  expect_refused("patterns", [&] { cross_entropy(cpu, far_rows(3), similarity_, queries_, origins_); });
  expect_refused("queries", [&] { cross_entropy(cpu, patterns_, similarity_, far_rows(query_count), origins_); });
  expect_refused("origins",
                 [&] { cross_entropy(cpu, patterns_, similarity_, queries_, far_values<Index>(query_count)); });
  expect_refused("patterns", [&] { static_cast<void>(fit_similarity(cpu, far_rows(3), queries_, origins_)); });
  expect_refused("queries", [&] { static_cast<void>(fit_similarity(cpu, patterns_, far_rows(4), origins_)); });
  expect_refused("origins",
                 [&] { static_cast<void>(fit_similarity(cpu, patterns_, queries_, far_values<Index>(query_count))); });
  expect_refused("patterns", [&] { static_cast<void>(fit_similarity(cpu, far_rows(3), VariantOptions{}, 5)); });
  expect_refused("patterns", [&] { static_cast<void>(footprint(cpu, far_rows(3), queries_)); });
  expect_refused("queries", [&] { static_cast<void>(footprint(cpu, patterns_, far_rows(2))); });
  expect_refused("queries", [&] { static_cast<void>(footprint(cpu, patterns_, far_rows(2), pairs)); });
  expect_refused("pairs",
                 [&] { static_cast<void>(footprint(cpu, patterns_, queries_, far_values<const FootprintPair>(1))); });
  expect_refused("patterns", [&] { static_cast<void>(make_variants(far_rows(3), 5)); });
  expect_refused("patterns", [&] { static_cast<void>(vary(far_rows(3))); });
}

/// What the host can read up to its last byte is no less readable for what comes after it.
TEST_F(HostMemoryTest, DataAtTheEndOfAPageAreReadable) {
  Matrix<float> one(1, 1);
  one(0, 0) = 1.0F;
  float* const last = static_cast<float*>(pages_.second()) - 1;
  *last = 0.25F;
  const Relaxer relaxer(Memory::hebbian(Device::cpu(), one, {.self_coupling = true}));

  const Relaxation result = relaxer.relax({last, 1, 1});

  EXPECT_EQ(result.states(0, 0), 1.0F);
}

/// The host can tell nothing of memory it doesn't read: without queries there is nothing to refuse.
TEST_F(HostMemoryTest, NoRowsAreNowhere) {
  const Relaxer relaxer(Memory::hebbian(Device::cpu(), patterns_));
  EXPECT_EQ(relaxer.relax(far_rows(0)).states.rows(), 0);
}

}  // namespace
}  // namespace attractor::test
