/// Memory that runs out: whichever allocation of a call fails, the caller learns of it, nothing leaks, and what was
/// there is as it was and does as before.

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.h>
#include <attractor/attractor.hpp>

#include "tests/support/allocations.hpp"
#include "tests/support/child.hpp"
#include "tests/support/data.hpp"
#include "tests/support/folder.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

constexpr Index dimension = 24;

/// Expects that in its scope as many blocks are freed as are allocated.
class NothingLeaks {
 public:
  explicit NothingLeaks(std::string what) : what_(std::move(what)), before_(live_blocks()) {}
  NothingLeaks(const NothingLeaks&) = delete;
  NothingLeaks& operator=(const NothingLeaks&) = delete;
  ~NothingLeaks() { EXPECT_EQ(live_blocks(), before_) << what_; }

 private:
  std::string what_;
  std::int64_t before_;
};

bool same(const Relaxation& a, const Relaxation& b) { return static_cast<bool>(same_results(a, b)); }
bool same(const Retrieval& a, const Retrieval& b) {
  return a.pattern == b.pattern && same_bits(a.posterior, b.posterior);
}
bool same(const Nearest& a, const Nearest& b) { return a.pattern == b.pattern && same_bits(a.overlap, b.overlap); }
bool same(const Recall& a, const Recall& b) {
  return same_bits(a.contents, b.contents) && same_bits(a.intensity, b.intensity);
}
bool same(const HeadsRelaxation& a, const HeadsRelaxation& b) {
  return same_bits(a.states, b.states) && same_bits(a.energies, b.energies);
}
bool same(const Variants& a, const Variants& b) { return same_bits(a.queries, b.queries) && a.origins == b.origins; }
bool same(const Matrix<float>& a, const Matrix<float>& b) { return static_cast<bool>(same_bits(a, b)); }
bool same(const Fit& a, const Fit& b) {
  return same_bits(a.similarity.dot, b.similarity.dot) &&
         same_bits(a.similarity.squared_distance, b.similarity.squared_distance) &&
         a.history.size() == b.history.size() && a.converged == b.converged;
}
template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}

/// Makes what call() is about with prepare(), and has each allocation of the call fail. When the same call is made
/// again then, it must give what it gives where none fails. Of allocations after the first `all` ever fewer fail.
template <class Prepare, class Call>
void expect_recovery(const std::string& what, const Prepare& prepare, const Call& call,
                     int all = std::numeric_limits<int>::max()) {
  const auto expected = [&] {
    auto subject = prepare();
    return call(subject);
  }();
  using Result = std::remove_const_t<decltype(expected)>;
  const auto attempt = [&](Scarcity& scarcity) {
    const NothingLeaks scope(what);
    auto subject = prepare();
    std::optional<Result> result;
    const bool done = scarcity.finishes([&] { result.emplace(call(subject)); });
    EXPECT_TRUE(done || scarcity.struck()) << what;
    EXPECT_TRUE(!done || same(*result, expected)) << what << ", after " << scarcity.granted() << " allocations";
    EXPECT_TRUE(same(call(subject), expected)) << what << ", once more after " << scarcity.granted() << " allocations";
  };
  EXPECT_GT(for_each_shortage(attempt, all), 0) << what << " allocates nothing";
}

/// The same for a call that needs nothing to be made before.
template <class Call>
void expect_recovery(const std::string& what, const Call& call, int all = std::numeric_limits<int>::max()) {
  expect_recovery(
      what, [] { return 0; }, [&](int /*nothing*/) { return call(); }, all);
}

/// A way to make memories.
struct Kind {
  std::string name;
  std::function<Memory(MatrixView<const float> patterns, MatrixView<const float> contents)> make;
  bool takes_contents = true;

  friend std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }
};

Kind of_words(const std::string& rule, bool takes_contents = true) {
  const auto make = [=](MatrixView<const float> patterns, MatrixView<const float> contents) {
    return Memory::make(Device::cpu(), rule, patterns,
                        {.contents = takes_contents ? contents : MatrixView<const float>()});
  };
  return {.name = rule, .make = make, .takes_contents = takes_contents};
}

Kind of_similarity(const std::string& name, const AdaptiveSimilarity& similarity) {
  const auto make = [=](MatrixView<const float> patterns, MatrixView<const float> contents) {
    return Memory::adaptive(Device::cpu(), patterns, similarity, {.contents = contents});
  };
  return {.name = name, .make = make};
}

/// Every rule, in each form that an engine has of it.
std::vector<Kind> kinds() {
  const std::vector<float> weights(dimension, 0.1F);
  return {of_words("hebbian"),
          of_words("hebbian(evaluation = dense)"),
          of_words("hebbian(centred = true)"),
          of_words("hebbian(decay = 0.9)"),
          of_words("projection(ridge = 0.1, evaluation = factored)"),
          of_words("projection(ridge = 0.1, evaluation = dense)"),
          of_words("storkey", false),
          of_words("bidirectional(first = 7)", false),
          of_words("dense_associative(order = 3)"),
          of_words("minerva"),
          of_words("modern_hopfield"),
          of_words("modern_hopfield(similarity = squared_distance, storage = bfloat16)"),
          of_words("modern_hopfield(similarity = manhattan, separation = entmax(1.5))"),
          of_words("modern_hopfield(similarity = cosine, separation = top(2))"),
          of_words("modern_hopfield(similarity = squared_distance, separation = epanechnikov(0.01))"),
          of_words("exponential(storage = float16)"),
          of_similarity("adaptive", {.squared_distance = weights}),
          of_similarity("adaptive of both bases", {.squared_distance = weights, .dot = weights}),
          of_similarity("adaptive of 8 bits", {.squared_distance = weights, .precision = TermPrecision::bits8})};
}

class OutOfMemoryTest : public testing::TestWithParam<Kind> {
 protected:
  [[nodiscard]] Memory make() const { return GetParam().make(patterns_, contents_); }

  /// These, of memories that have any.
  [[nodiscard]] MatrixView<const float> contents(MatrixView<const float> some) const {
    return GetParam().takes_contents ? some : MatrixView<const float>();
  }

  /// What a memory has and does.
  struct Answers {
    Matrix<float> patterns;
    Matrix<float> contents;
    std::vector<Index> identifiers;
    Relaxation relaxation;
    Recall recall;

    friend bool operator==(const Answers& a, const Answers& b) {
      return a.identifiers == b.identifiers && same_bits(a.patterns, b.patterns) && same_bits(a.contents, b.contents) &&
             same(a.relaxation, b.relaxation) && same(a.recall, b.recall);
    }
  };
  [[nodiscard]] static std::vector<Index> identifiers(const Memory& memory) {
    std::vector<Index> result;
    for (Index i = 0; i < memory.pattern_count(); ++i) result.push_back(memory.identifier_of(i));
    return result;
  }
  [[nodiscard]] Answers answers(const Memory& memory) const {
    return {.patterns = copy(memory.patterns()),
            .contents = copy(memory.contents()),
            .identifiers = identifiers(memory),
            .relaxation = Relaxer(memory, {.max_steps = 3, .energies = true, .threads = 1}).relax(queries_),
            .recall = GetParam().takes_contents ? recall(memory, queries_, {.threads = 1}) : Recall()};
  }

  /// Has a change fail at each of its allocations, then makes it. `own`: no other memory shares the stored patterns.
  void expect_whole_change(const std::string& what, bool own, const std::function<void(Memory&)>& change) const {
    const auto start = [&] {
      Memory memory = make();
      // So that further changes are made in place, where a memory can.
      if (own) memory.imprint(patterns_.view().slice(0, 1), contents(contents_.view().slice(0, 1)));
      return memory;
    };
    Memory expected = start();
    const Answers before = answers(expected);
    change(expected);
    const Answers after = answers(expected);
    const int struck = for_each_shortage([&](Scarcity& scarcity) {
      const NothingLeaks scope(what);
      Memory memory = start();
      const Memory other = own ? expected : memory;
      if (!scarcity.finishes([&] { change(memory); })) {
        EXPECT_TRUE(answers(memory) == before) << what << " after " << scarcity.granted() << " allocations";
        change(memory);
      }
      EXPECT_TRUE(answers(memory) == after) << what << ", done in the end, after " << scarcity.granted();
      EXPECT_TRUE(own || answers(other) == before) << what << ": another memory changed";
    });
    EXPECT_GT(struck, 0) << what;
  }

  Rng rng_{63};
  Matrix<float> patterns_ = random_bipolar(13, dimension, rng_);
  Matrix<float> contents_ = random_gaussian(13, 3, rng_);
  Matrix<float> more_ = random_bipolar(40, dimension, rng_);
  Matrix<float> more_contents_ = random_gaussian(40, 3, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, 7, 0.2F, 1.5F, rng_);
};

TEST_P(OutOfMemoryTest, MemoriesAreMade) {
  expect_recovery("making it", [&] {
    const Memory memory = make();
    return std::pair(memory.pattern_count(), memory.rule());
  });
}

TEST_P(OutOfMemoryTest, ChangesFailAsAWhole) {
  for (const bool own : {false, true}) {
    expect_whole_change("imprint", own, [&](Memory& memory) { memory.imprint(more_, contents(more_contents_)); });
    expect_whole_change("forget", own, [&](Memory& memory) { memory.forget({3, 7}); });
    expect_whole_change("replace", own, [&](Memory& memory) {
      memory.replace(std::vector<Index>{7, 2}, more_.view().slice(0, 2), contents(more_contents_.view().slice(0, 2)));
    });
    expect_whole_change("forgetting all", own, [&](Memory& memory) {
      std::vector<Index> all(static_cast<std::size_t>(memory.pattern_count()));
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
      memory.forget(all);
    });
  }
}

TEST_P(OutOfMemoryTest, QueriesRelax) {
  for (const Update& update : {make().default_update(), sign_update(), tanh_update()})
    for (const int threads : {1, 3}) {
      const RelaxerOptions options{.update = update, .max_steps = 4, .energy_trace = true, .threads = threads};
      expect_recovery(
          "relax", [&] { return make(); },
          [&](const Memory& memory) {
            Index last = 0;
            return Relaxer(memory, options).relax(queries_, {.progress = [&](const Progress& done) {
                                                    last = done.finished;
                                                  }});
          });
    }
}

TEST_P(OutOfMemoryTest, PatternsAreFound) {
  const auto fresh = [&] { return make(); };
  expect_recovery("nearest", fresh, [&](const Memory& memory) { return nearest(memory, queries_, {.count = 2}); });
  if (GetParam().takes_contents)
    expect_recovery("recall", fresh, [&](const Memory& memory) { return recall(memory, queries_, {.threads = 2}); });
  if (!make().is_normalised()) return;
  const Matrix<float> priors = random_gaussian(1, 13, rng_);
  for (const bool posteriors : {true, false})
    expect_recovery("retrieve", fresh, [&](const Memory& memory) {
      return retrieve(memory, queries_,
                      {.count = 2, .log_prior = priors.view(), .posteriors = posteriors, .threads = 2});
    });
}

/// Words that are no name of a test become one.
std::string test_name(const testing::TestParamInfo<Kind>& info) {
  std::string name;
  for (const char c : info.param.name)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(, OutOfMemoryTest, testing::ValuesIn(kinds()), test_name);

class OutOfMemoryCallTest : public testing::Test {
 protected:
  Rng rng_{64};
  Matrix<float> patterns_ = random_bipolar(5, dimension, rng_);
  Matrix<float> queries_ = flipped_copies(patterns_, 9, 0.2, rng_);
};

TEST_F(OutOfMemoryCallTest, AsynchronousUpdatesAndBits) {
  const auto fresh = [&] { return Memory::hebbian(Device::cpu(), patterns_); };
  expect_recovery("asynchronous updates", fresh, [&](const Memory& memory) {
    return Relaxer(memory, {.update = asynchronous_sign_update(3), .threads = 2}).relax(queries_);
  });
  const BitMatrix bits = to_bits(queries_);
  expect_recovery("queries of bits", fresh, [&](const Memory& memory) {
    return Relaxer(memory, {.update = sign_update(), .threads = 2}).relax(bits);
  });
  expect_recovery("to bits and back", [&] { return from_bits(to_bits(queries_)); });
}

TEST_F(OutOfMemoryCallTest, HeadsRelax) {
  const std::vector<float> betas = {1.0F, 2.0F};
  expect_recovery("heads", [&] { return Heads::modern_hopfield(Device::cpu(), patterns_, betas).relax(queries_); });
}

TEST_F(OutOfMemoryCallTest, FootprintsAndVariants) {
  expect_recovery("footprint", [&] { return footprint(Device::cpu(), patterns_, queries_, {.threads = 2}); });
  expect_recovery("variants", [&] { return make_variants(patterns_, 20); });
}

TEST_F(OutOfMemoryCallTest, SimilaritiesAreFitted) {
  // Thousands of allocations, of which most are alike.
  constexpr int all = 50;
  const Matrix<float> patterns = columns(patterns_, 0, 3);
  for (const Optimiser optimiser : {Optimiser::lbfgs, Optimiser::adam}) {
    const FitOptions options{.per_pattern = true, .log_prior = true, .optimiser = optimiser, .epochs = 2, .threads = 2};
    expect_recovery(
        "fit", [&] { return fit_similarity(Device::cpu(), patterns, VariantOptions{}, 12, options); }, all);
  }
}

/// Workers that a call would hire: it does without them, or says that it can't be.
TEST_F(OutOfMemoryCallTest, WithoutThreadsYet) {
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_);
  const Relaxer relaxer(memory, {.max_steps = 3, .threads = 4});
  const Relaxation expected = relaxer.relax(queries_);
  const int struck =
      for_each_shortage([&](Scarcity& scarcity) { scarcity.finishes([&] { return relaxer.relax(queries_); }); });
  // A child has no workers of its parent's, and asks for as many allocations more as these take.
  for (const Shortage::Kind kind : {Shortage::Kind::passing, Shortage::Kind::lasting})
    for (int granted = 0; granted < struck; ++granted)
      EXPECT_TRUE(succeeds_in_child([&] {
        Scarcity scarcity(kind, granted, 0x40);
        Relaxation result;
        const bool done = scarcity.finishes([&] { result = relaxer.relax(queries_); });
        return (!done || same(result, expected)) && same(relaxer.relax(queries_), expected);
      })) << granted;
}

class OutOfMemoryFileTest : public OutOfMemoryCallTest {
 protected:
  /// The names of what is in the folder.
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  TestFolder folder_;
};

TEST_F(OutOfMemoryFileTest, SavingLeavesTheFileThatWasThere) {
  const std::filesystem::path path = folder_ / "memory.safetensors";
  const Memory old = Memory::hebbian(Device::cpu(), patterns_.view().slice(0, 2));
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_);
  save(old, path);
  for_each_shortage([&](Scarcity& scarcity) {
    const NothingLeaks scope("save");
    const bool done = scarcity.finishes([&] { save(memory, path); });
    EXPECT_TRUE(done || scarcity.struck());
    EXPECT_EQ(load(Device::cpu(), path).rule(), done ? memory.rule() : old.rule());
    EXPECT_EQ(files(), std::vector<std::string>{"memory.safetensors"});
    if (done) save(old, path);
  });
}

TEST_F(OutOfMemoryFileTest, MemoriesAreLoaded) {
  const std::filesystem::path path = folder_ / "memory.safetensors";
  const std::vector<float> weights(dimension, 0.1F);
  for (const Memory& memory :
       {Memory::hebbian(Device::cpu(), patterns_), Memory::adaptive(Device::cpu(), patterns_, {.dot = weights})}) {
    save(memory, path);
    expect_recovery("load", [&] { return load(Device::cpu(), path).rule(); });
  }
}

TEST_F(OutOfMemoryFileTest, ArraysAreMappedAndRead) {
  const std::filesystem::path path = folder_ / "array.npy";
  expect_recovery("a new array", [&] { return ArrayFile(path, ElementType::float32, 4, 6).rows(); });
  expect_recovery("an array", [&] { return ArrayFile(path).floats(); });
  expect_recovery("an array to write on", [&] { return ArrayFile::reopen(path).elements<float>().rows; });
}

/// A matrix as C's tensor.
class CTensor {
 public:
  CTensor(Matrix<float>& matrix) : shape_{matrix.rows(), matrix.columns()} {  // NOLINT(google-explicit-constructor)
    value_ = {.data = matrix.data(),
              .device_type = 1,
              .device_id = 0,
              .ndim = 2,
              .type_code = 2,
              .type_bits = 32,
              .type_lanes = 1,
              .shape = shape_.data(),
              .strides = nullptr,
              .byte_offset = 0};
  }
  CTensor(const CTensor&) = delete;
  CTensor& operator=(const CTensor&) = delete;
  ~CTensor() = default;
  [[nodiscard]] const attractor_tensor* get() const { return &value_; }

 private:
  std::array<std::int64_t, 2> shape_;
  attractor_tensor value_ = {};
};

class OutOfMemoryInCTest : public OutOfMemoryFileTest {
 protected:
  /// Has each allocation of a call fail: it says so, with a message, and goes through when it is made again.
  static void expect_status(const std::string& what, const std::function<attractor_result()>& call) {
    // The memory of a message stays with the thread; this one is longer than any that follows.
    attractor_memory* none = nullptr;
    EXPECT_EQ(attractor_memory_load("cpu", std::string(500, 'x').c_str(), &none), ATTRACTOR_FILE_ERROR);
    EXPECT_EQ(call(), ATTRACTOR_OK) << what << ": " << attractor_last_error();
    const int struck = for_each_shortage([&](Scarcity& scarcity) {
      const NothingLeaks scope(what);
      attractor_result result = ATTRACTOR_OK;
      EXPECT_TRUE(scarcity.finishes([&] { result = call(); })) << what << " threw";
      if (result != ATTRACTOR_OK) {
        // Files are no more than said to be unreadable.
        EXPECT_TRUE(result == ATTRACTOR_OUT_OF_MEMORY || result == ATTRACTOR_FILE_ERROR) << what << " gave " << result;
        EXPECT_STRNE(attractor_last_error(), "") << what;
        EXPECT_EQ(call(), ATTRACTOR_OK) << what << ": " << attractor_last_error();
      }
    });
    EXPECT_GT(struck, 0) << what;
  }

  /// Makes something with make(&made) and frees it.
  template <class Object>
  static attractor_result made_and_freed(const std::function<attractor_result(Object** made)>& make,
                                         void (*free)(Object*)) {
    Object* made = nullptr;
    const attractor_result result = make(&made);
    EXPECT_EQ(made == nullptr, result != ATTRACTOR_OK);
    free(made);
    return result;
  }

  CTensor pattern_tensor_ = patterns_;
  CTensor query_tensor_ = queries_;
};

TEST_F(OutOfMemoryInCTest, EveryCallSaysSo) {
  const std::string path = folder_ / "memory.safetensors";
  attractor_memory* memory = nullptr;
  ASSERT_EQ(attractor_memory_make("cpu", "modern_hopfield", pattern_tensor_.get(), nullptr, &memory), ATTRACTOR_OK);
  attractor_relaxer* relaxer = nullptr;
  ASSERT_EQ(attractor_relaxer_make(memory, nullptr, &relaxer), ATTRACTOR_OK);
  const auto making_memory = [](const std::function<attractor_result(attractor_memory**)>& make) {
    return [=] { return made_and_freed<attractor_memory>(make, attractor_memory_free); };
  };
  expect_status("make", making_memory([&](attractor_memory** made) {
                  return attractor_memory_make("cpu", "hebbian", pattern_tensor_.get(), nullptr, made);
                }));
  expect_status("copy", making_memory([&](attractor_memory** made) { return attractor_memory_copy(memory, made); }));
  expect_status("save", [&] { return attractor_memory_save(memory, path.c_str()); });
  expect_status(
      "load", making_memory([&](attractor_memory** made) { return attractor_memory_load("cpu", path.c_str(), made); }));
  expect_status("a relaxer", [&] {
    return made_and_freed<attractor_relaxer>(
        [&](attractor_relaxer** made) { return attractor_relaxer_make(memory, nullptr, made); },
        attractor_relaxer_free);
  });
  Matrix<float> states(queries_.rows(), dimension);
  const CTensor state_tensor(states);
  const attractor_relaxation results{.size = sizeof results,
                                     .states = state_tensor.get(),
                                     .steps = nullptr,
                                     .energies = nullptr,
                                     .status = nullptr,
                                     .energy_trace = nullptr,
                                     .contents = nullptr};
  expect_status("relax", [&] { return attractor_relax(relaxer, query_tensor_.get(), &results, nullptr); });
  EXPECT_TRUE(same_bits(states, Relaxer(Memory::modern_hopfield(Device::cpu(), patterns_)).relax(queries_).states));
  std::vector<std::int64_t> found(static_cast<std::size_t>(queries_.rows()));
  std::array<std::int64_t, 2> shape = {queries_.rows(), 1};
  const attractor_tensor found_tensor{.data = found.data(),
                                      .device_type = 1,
                                      .device_id = 0,
                                      .ndim = 2,
                                      .type_code = 0,
                                      .type_bits = 64,
                                      .type_lanes = 1,
                                      .shape = shape.data(),
                                      .strides = nullptr,
                                      .byte_offset = 0};
  expect_status("retrieve",
                [&] { return attractor_retrieve(memory, query_tensor_.get(), &found_tensor, nullptr, 0.0F, 1); });
  expect_status("nearest", [&] { return attractor_nearest(memory, query_tensor_.get(), &found_tensor, nullptr, 1); });
  attractor_relaxer_free(relaxer);
  attractor_memory_free(memory);
}

TEST_F(OutOfMemoryInCTest, ChangesFailAsAWhole) {
  for_each_shortage([&](Scarcity& scarcity) {
    const NothingLeaks scope("changes in C");
    attractor_memory* memory = nullptr;
    ASSERT_EQ(attractor_memory_make("cpu", "hebbian", pattern_tensor_.get(), nullptr, &memory), ATTRACTOR_OK);
    attractor_result result = ATTRACTOR_OK;
    EXPECT_TRUE(scarcity.finishes([&] { result = attractor_memory_imprint(memory, pattern_tensor_.get(), nullptr); }));
    EXPECT_EQ(attractor_memory_pattern_count(memory), result == ATTRACTOR_OK ? 10 : 5);
    EXPECT_TRUE(result == ATTRACTOR_OK || result == ATTRACTOR_OUT_OF_MEMORY) << result;
    attractor_memory_free(memory);
  });
}

}  // namespace
}  // namespace attractor::test
