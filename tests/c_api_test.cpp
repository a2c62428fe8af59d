/// The library for C: the bits of the library for C++, and errors instead of exceptions.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.h>
#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/folder.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

/// Codes of DLPack's for T.
template <class T>
struct ElementCode;
template <>
struct ElementCode<float> {
  static constexpr std::uint8_t code = 2;
};
template <>
struct ElementCode<Float16> {
  static constexpr std::uint8_t code = 2;
};
template <>
struct ElementCode<BFloat16> {
  static constexpr std::uint8_t code = 4;
};
template <>
struct ElementCode<std::int8_t> {
  static constexpr std::uint8_t code = 0;
};
template <>
struct ElementCode<std::int32_t> {
  static constexpr std::uint8_t code = 0;
};
template <>
struct ElementCode<std::int64_t> {
  static constexpr std::uint8_t code = 0;
};
template <>
struct ElementCode<std::uint8_t> {
  static constexpr std::uint8_t code = 1;
};

/// A tensor with its shape and strides.
struct Tensor {
  template <class T>
  Tensor(T* data, std::initializer_list<std::int64_t> sizes) {
    std::copy(sizes.begin(), sizes.end(), shape.begin());
    value.data = data;
    value.device_type = 1;
    value.ndim = static_cast<std::int32_t>(sizes.size());
    value.type_code = ElementCode<T>::code;
    value.type_bits = 8 * sizeof(T);
    value.type_lanes = 1;
    value.shape = shape.data();
  }
  explicit Tensor(Matrix<float>& matrix) : Tensor(matrix.data(), {matrix.rows(), matrix.columns()}) {}
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  ~Tensor() = default;

  const attractor_tensor* operator&() const { return &value; }  // NOLINT(google-runtime-operator): as for a plain one

  std::array<std::int64_t, 3> shape = {};
  std::array<std::int64_t, 3> strides = {};
  attractor_tensor value = {};
};

struct Free {
  void operator()(attractor_memory* memory) const { attractor_memory_free(memory); }
  void operator()(attractor_relaxer* relaxer) const { attractor_relaxer_free(relaxer); }
};
using OwnMemory = std::unique_ptr<attractor_memory, Free>;
using OwnRelaxer = std::unique_ptr<attractor_relaxer, Free>;

attractor_relaxer_options defaults() {
  attractor_relaxer_options options;
  attractor_relaxer_defaults(&options);
  return options;
}

template <class Struct>
Struct sized() {
  Struct result = {};
  result.size = sizeof result;
  return result;
}

void expect_error(attractor_result result, attractor_result expected, std::initializer_list<std::string> words) {
  const std::string message = attractor_last_error();
  EXPECT_EQ(result, expected) << message;
  for (const std::string& word : words)
    EXPECT_NE(message.find(word), std::string::npos) << message << " lacks " << word;
}
void expect_invalid(attractor_result result, std::initializer_list<std::string> words) {
  expect_error(result, ATTRACTOR_INVALID_ARGUMENT, words);
}

/// Queries, and room for their states and how they ended.
struct LargeCall {
  explicit LargeCall(Matrix<float> many) : queries(std::move(many)) {
    results.states = &state_tensor;
    results.status = &status_tensor;
  }

  Matrix<float> queries;
  Matrix<float> states{queries.rows(), queries.columns()};
  std::vector<std::uint8_t> status = std::vector<std::uint8_t>(static_cast<std::size_t>(queries.rows()));
  Tensor query_tensor{queries};
  Tensor state_tensor{states};
  Tensor status_tensor{status.data(), {queries.rows()}};
  attractor_relaxation results = sized<attractor_relaxation>();
};

class CApiTest : public testing::Test {
 protected:
  [[nodiscard]] OwnMemory make(const char* rule, const attractor_rule_arrays* arrays = nullptr) {
    const Tensor patterns(patterns_);
    attractor_memory* memory = nullptr;
    EXPECT_EQ(attractor_memory_make("cpu", rule, &patterns, arrays, &memory), ATTRACTOR_OK) << attractor_last_error();
    return OwnMemory(memory);
  }
  static OwnRelaxer relaxer_of(const OwnMemory& memory, const attractor_relaxer_options& options) {
    attractor_relaxer* relaxer = nullptr;
    EXPECT_EQ(attractor_relaxer_make(memory.get(), &options, &relaxer), ATTRACTOR_OK) << attractor_last_error();
    return OwnRelaxer(relaxer);
  }

  Rng rng_{21};
  Matrix<float> patterns_ = random_bipolar(5, 20, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, 11, 0.2F, 1.5F, rng_);
};

TEST_F(CApiTest, RelaxationsAreThoseOfCpp) {
  const OwnMemory memory = make("projection(ridge = 0.25)");
  attractor_relaxer_options options = defaults();
  options.update = ATTRACTOR_UPDATE_TANH;
  options.gain = 1.25F;
  options.halting = ATTRACTOR_HALTING_ENERGY;
  options.relative = 1e-3F;
  options.patience = 2;
  options.max_steps = 12;
  options.energy_trace = 1;
  const OwnRelaxer relaxer = relaxer_of(memory, options);
  const Relaxation expected = Relaxer(Memory::projection(Device::cpu(), patterns_, {.ridge = 0.25F}),
                                      {.update = tanh_update(1.25F),
                                       .halting = energy_stable({.relative = 1e-3F, .patience = 2}),
                                       .max_steps = 12,
                                       .energy_trace = true})
                                  .relax(queries_);
  Relaxation result{.states = Matrix<float>(11, 20),
                    .steps = std::vector<std::int32_t>(11),
                    .energies = std::vector<float>(11),
                    .status = std::vector<Status>(11),
                    .energy_trace = Matrix<float>(11, 12),
                    .contents = {}};
  std::vector<std::uint8_t> status(11);
  const Tensor queries(queries_);
  const Tensor states(result.states);
  const Tensor steps(result.steps.data(), {11});
  const Tensor energies(result.energies.data(), {11});
  const Tensor statuses(status.data(), {11});
  const Tensor trace(result.energy_trace);
  auto results = sized<attractor_relaxation>();
  results.states = &states;
  results.steps = &steps;
  results.energies = &energies;
  results.status = &statuses;
  results.energy_trace = &trace;
  ASSERT_EQ(attractor_relax(relaxer.get(), &queries, &results, nullptr), ATTRACTOR_OK) << attractor_last_error();
  std::transform(status.begin(), status.end(), result.status.begin(),
                 [](std::uint8_t s) { return static_cast<Status>(s); });
  EXPECT_TRUE(same_results(result, expected));
}

TEST_F(CApiTest, EveryUpdateAndHaltingRule) {
  struct Case {
    std::int32_t update;
    std::int32_t halting;
    Update expected;
    Halting expected_halting;
  };
  const std::vector<Case> cases = {
      {ATTRACTOR_UPDATE_SIGN, ATTRACTOR_HALTING_STATE, sign_update(AtZero::plus), state_stable(0.5F)},
      {ATTRACTOR_UPDATE_ASYNCHRONOUS_SIGN, ATTRACTOR_HALTING_STATE, asynchronous_sign_update(9, AtZero::plus),
       state_stable(0.5F)},
      {ATTRACTOR_UPDATE_READOUT, ATTRACTOR_HALTING_FIXED, readout_update(), fixed_steps()},
      {ATTRACTOR_UPDATE_BLEND, ATTRACTOR_HALTING_ENERGY, blend_update(0.25F),
       energy_stable({.absolute = 0.5F, .relative = 1e-4F})}};
  const OwnMemory memory = make("hebbian");
  for (const Case& one : cases) {
    attractor_relaxer_options options = defaults();
    options.update = one.update;
    options.rate = 0.25F;
    options.at_zero = ATTRACTOR_AT_ZERO_PLUS;
    options.has_seed = 1;
    options.seed = 9;
    options.halting = one.halting;
    options.absolute = 0.5F;
    options.max_steps = 7;
    Matrix<float> states(11, 20);
    const Tensor queries(queries_);
    const Tensor to(states);
    auto results = sized<attractor_relaxation>();
    results.states = &to;
    ASSERT_EQ(attractor_relax(relaxer_of(memory, options).get(), &queries, &results, nullptr), ATTRACTOR_OK);
    EXPECT_TRUE(same_bits(states, Relaxer(Memory::hebbian(Device::cpu(), patterns_),
                                          {.update = one.expected, .halting = one.expected_halting, .max_steps = 7})
                                      .relax(queries_)
                                      .states))
        << one.update;
  }
}

TEST_F(CApiTest, RowsOfEveryFormat) {
  const OwnMemory memory = make("hebbian");
  const OwnRelaxer relaxer = relaxer_of(memory, defaults());
  const Matrix<float> bipolar = flipped_copies(patterns_, 6, 0.2, rng_);
  const Relaxation expected = Relaxer(Memory::hebbian(Device::cpu(), patterns_)).relax(bipolar);
  const auto expect_same = [&](const Tensor& queries, const Tensor& states) {
    auto results = sized<attractor_relaxation>();
    results.states = &states;
    ASSERT_EQ(attractor_relax(relaxer.get(), &queries, &results, nullptr), ATTRACTOR_OK) << attractor_last_error();
  };
  const auto check_type = [&]<class T>(T /*type*/) {
    std::vector<T> from(6 * 20);
    std::vector<T> to(6 * 20);
    std::transform(bipolar.data(), bipolar.data() + 120, from.begin(), [](float x) { return static_cast<T>(x); });
    expect_same(Tensor(from.data(), {6, 20}), Tensor(to.data(), {6, 20}));
    for (std::size_t i = 0; i < to.size(); ++i) EXPECT_EQ(static_cast<float>(to[i]), expected.states.data()[i]);
  };
  check_type(Float16(0.0F));
  check_type(BFloat16(0.0F));
  check_type(std::int8_t{0});
  BitMatrix bits = to_bits(bipolar);
  BitMatrix to(6, 20);
  expect_same(Tensor(bits.view().data, {6, 3}), Tensor(to.view().data, {6, 3}));
  EXPECT_TRUE(same_bits(from_bits(to), expected.states));
  // Rows that lie apart, from an offset on.
  std::vector<float> wide(6 * 25 + 2);
  for (Index i = 0; i < 6; ++i) std::copy_n(bipolar.row(i), 20, wide.begin() + 2 + i * 25);
  Tensor queries(wide.data(), {6, 20});
  queries.value.byte_offset = 2 * sizeof(float);
  queries.strides = {25, 1};
  queries.value.strides = queries.strides.data();
  Matrix<float> states(6, 20);
  expect_same(queries, Tensor(states));
  EXPECT_TRUE(same_bits(states, expected.states));
}

TEST_F(CApiTest, CallsHaveTheirParts) {
  Matrix<float> contents = random_gaussian(5, 3, rng_);
  std::vector<float> log_prior = {0.0F, -1.0F, 0.5F, 0.0F, 0.25F};
  const Tensor content_tensor(contents);
  const Tensor prior_tensor(log_prior.data(), {5});
  auto arrays = sized<attractor_rule_arrays>();
  arrays.contents = &content_tensor;
  arrays.log_prior = &prior_tensor;
  const OwnMemory memory = make("modern_hopfield(beta = 0.25)", &arrays);
  EXPECT_EQ(attractor_memory_content_dimension(memory.get()), 3);
  const OwnRelaxer relaxer = relaxer_of(memory, defaults());
  Matrix<std::uint8_t> clamped = random_mask(11, 20, 0.3, rng_);
  std::vector<std::uint8_t> valid = {1, 0, 1, 1, 1};
  Matrix<float> more_prior = random_gaussian(11, 5, rng_);
  const std::vector<float> betas = {0.1F, 0.5F};
  const Tensor clamped_tensor(clamped.data(), {11, 20});
  Tensor valid_tensor(valid.data(), {1, 5});
  valid_tensor.value.type_code = 6;
  const Tensor more_tensor(more_prior);
  auto call = sized<attractor_call>();
  call.clamped = &clamped_tensor;
  call.valid_patterns = &valid_tensor;
  call.log_prior = &more_tensor;
  call.betas = betas.data();
  call.beta_count = betas.size();
  Matrix<float> states(11, 20);
  Matrix<float> read(11, 3);
  const Tensor queries(queries_);
  const Tensor state_tensor(states);
  const Tensor read_tensor(read);
  auto results = sized<attractor_relaxation>();
  results.states = &state_tensor;
  results.contents = &read_tensor;
  ASSERT_EQ(attractor_relax(relaxer.get(), &queries, &results, &call), ATTRACTOR_OK) << attractor_last_error();
  const Memory same =
      Memory::modern_hopfield(Device::cpu(), patterns_, {.beta = 0.25F, .log_prior = log_prior, .contents = contents});
  const Relaxation expected =
      Relaxer(same).relax(queries_, {.clamped = clamped,
                                     .valid_patterns = MatrixView<const std::uint8_t>(valid.data(), 1, 5),
                                     .log_prior = more_prior,
                                     .betas = betas});
  EXPECT_TRUE(same_bits(states, expected.states));
  EXPECT_TRUE(same_bits(read, expected.contents));
}

TEST_F(CApiTest, ProgressCancels) {
  const OwnMemory memory = make("hebbian");
  attractor_relaxer_options options = defaults();
  options.threads = 1;
  const OwnRelaxer relaxer = relaxer_of(memory, options);
  LargeCall large(noisy_copies(patterns_, 3000, 0.2F, 1.0F, rng_));
  auto call = sized<attractor_call>();
  std::int64_t seen = 0;
  call.context = &seen;
  call.progress = [](std::int64_t finished, std::int64_t total, void* context) {
    *static_cast<std::int64_t*>(context) = total;
    return finished > 0 ? 1 : 0;
  };
  ASSERT_EQ(attractor_relax(relaxer.get(), &large.query_tensor, &large.results, &call), ATTRACTOR_OK)
      << attractor_last_error();
  EXPECT_EQ(seen, 3000);
  EXPECT_EQ(large.status.back(), ATTRACTOR_STATUS_CANCELLED);
  call.progress = [](std::int64_t /*finished*/, std::int64_t /*total*/, void* /*context*/) { return 0; };
  ASSERT_EQ(attractor_relax(relaxer.get(), &large.query_tensor, &large.results, &call), ATTRACTOR_OK);
  EXPECT_EQ(std::count(large.status.begin(), large.status.end(), ATTRACTOR_STATUS_CANCELLED), 0);
}

TEST_F(CApiTest, RankingsAreThoseOfCpp) {
  const OwnMemory memory = make("modern_hopfield(beta = 0.1)");
  const Memory same = Memory::modern_hopfield(Device::cpu(), patterns_, {.beta = 0.1F});
  std::vector<std::int64_t> patterns(33);
  std::vector<float> values(33);
  const Tensor queries(queries_);
  const Tensor pattern_tensor(patterns.data(), {11, 3});
  const Tensor value_tensor(values.data(), {11, 3});
  ASSERT_EQ(attractor_retrieve(memory.get(), &queries, &pattern_tensor, &value_tensor, 0.0F, 1), ATTRACTOR_OK);
  Retrieval found = retrieve(same, queries_, {.count = 3});
  EXPECT_EQ(patterns, found.pattern);
  EXPECT_EQ(values, found.posterior);
  ASSERT_EQ(attractor_retrieve(memory.get(), &queries, &pattern_tensor, &value_tensor, 0.5F, 0), ATTRACTOR_OK);
  EXPECT_EQ(values, retrieve(same, queries_, {.count = 3, .beta = 0.5F}).posterior);
  ASSERT_EQ(attractor_retrieve(memory.get(), &queries, &pattern_tensor, nullptr, 0.0F, 0), ATTRACTOR_OK);
  EXPECT_EQ(patterns, found.pattern);
  ASSERT_EQ(attractor_nearest(memory.get(), &queries, &pattern_tensor, &value_tensor, 0), ATTRACTOR_OK);
  const Nearest near = nearest(same, queries_, {.count = 3});
  EXPECT_EQ(patterns, near.pattern);
  EXPECT_EQ(values, near.overlap);
}

TEST_F(CApiTest, MemoriesChangeAndAreKeptInFiles) {
  const TestFolder folder;
  const std::string path = (folder / "m").string();
  const OwnMemory memory = make("hebbian");
  attractor_memory* copied = nullptr;
  ASSERT_EQ(attractor_memory_copy(memory.get(), &copied), ATTRACTOR_OK);
  const OwnMemory copy(copied);
  Matrix<float> more = random_bipolar(2, 20, rng_);
  const Tensor more_tensor(more);
  ASSERT_EQ(attractor_memory_imprint(memory.get(), &more_tensor, nullptr), ATTRACTOR_OK);
  const std::array<std::int64_t, 2> gone = {0, 5};
  ASSERT_EQ(attractor_memory_forget(memory.get(), gone.data(), gone.size()), ATTRACTOR_OK);
  ASSERT_EQ(attractor_memory_forget(memory.get(), nullptr, 0), ATTRACTOR_OK);
  const std::array<std::int64_t, 2> replaced = {4, 1};
  ASSERT_EQ(attractor_memory_replace(memory.get(), replaced.data(), 2, &more_tensor, nullptr), ATTRACTOR_OK);
  EXPECT_EQ(attractor_memory_identifier_of(memory.get(), 4), 6);
  EXPECT_EQ(attractor_memory_identifier_of(memory.get(), 5), -1);
  EXPECT_EQ(attractor_memory_identifier_of(memory.get(), -1), -1);
  EXPECT_EQ(attractor_memory_index_of(memory.get(), 6), 4);
  EXPECT_EQ(attractor_memory_index_of(memory.get(), 5), -1);
  EXPECT_EQ(attractor_memory_pattern_count(memory.get()), 5);
  EXPECT_EQ(attractor_memory_pattern_count(copy.get()), 5);
  EXPECT_EQ(attractor_memory_dimension(memory.get()), 20);
  EXPECT_EQ(attractor_memory_is_normalised(memory.get()), 0);
  ASSERT_EQ(attractor_memory_save(memory.get(), path.c_str()), ATTRACTOR_OK);
  Memory expected = Memory::hebbian(Device::cpu(), patterns_);
  expected.imprint(more);
  expected.forget({0, 5});
  expected.replace(std::vector<Index>{4, 1}, more);
  EXPECT_TRUE(same_bits(load(Device::cpu(), path).patterns(), expected.patterns()));
  attractor_memory* loaded = nullptr;
  ASSERT_EQ(attractor_memory_load("cpu", path.c_str(), &loaded), ATTRACTOR_OK);
  const OwnMemory own(loaded);
  EXPECT_EQ(attractor_memory_pattern_count(own.get()), 5);
  std::array<char, 128> text = {};
  const std::string rule = expected.rule();
  EXPECT_EQ(attractor_memory_rule(own.get(), text.data(), text.size()), rule.size());
  EXPECT_EQ(std::string(text.data()), rule);
  EXPECT_EQ(attractor_memory_rule(own.get(), text.data(), 8), rule.size());
  EXPECT_EQ(std::string(text.data()), rule.substr(0, 7));
  EXPECT_EQ(attractor_memory_rule(own.get(), nullptr, 0), rule.size());
}

TEST_F(CApiTest, WrongArgumentsAreErrors) {
  Tensor patterns(patterns_);
  const Tensor queries(queries_);
  attractor_memory* memory = nullptr;
  expect_invalid(attractor_memory_make("cpu", "hebbian", nullptr, nullptr, &memory), {"patterns is null"});
  expect_invalid(attractor_memory_make("cpu", nullptr, &patterns, nullptr, &memory), {"rule is null"});
  expect_invalid(attractor_memory_make("cpu", "hebbian", &patterns, nullptr, nullptr), {"memory is null"});
  expect_invalid(attractor_memory_make("gpu", "hebbian", &patterns, nullptr, &memory), {"gpu", "cuda:N"});
  expect_invalid(attractor_memory_make("cuda:x", "hebbian", &patterns, nullptr, &memory), {"cuda:x"});
  expect_invalid(attractor_memory_make("cpu", "hopfield", &patterns, nullptr, &memory), {"hopfield", "known are"});
  expect_error(attractor_memory_make("cpu", "adaptive", &patterns, nullptr, &memory), ATTRACTOR_NOT_SUPPORTED, {"fit"});
  expect_error(attractor_memory_load("cpu", "/nowhere/m", &memory), ATTRACTOR_FILE_ERROR, {"/nowhere/m"});
  EXPECT_EQ(memory, nullptr);
  patterns.value.ndim = 1;
  expect_invalid(attractor_memory_make("cpu", "hebbian", &patterns, nullptr, &memory),
                 {"patterns", "1 dimensions", "2"});
  patterns.value.ndim = 2;
  patterns.value.type_bits = 64;
  expect_invalid(attractor_memory_make("cpu", "hebbian", &patterns, nullptr, &memory), {"64 bits", "float32"});
  patterns.value.type_bits = 16;
  expect_invalid(attractor_memory_make("cpu", "hebbian", &patterns, nullptr, &memory), {"float16", "float32"});
  patterns.value.type_bits = 32;
  patterns.value.type_lanes = 4;
  expect_invalid(attractor_memory_make("cpu", "hebbian", &patterns, nullptr, &memory), {"patterns", "float32"});
  patterns.value.type_lanes = 1;
  patterns.value.device_type = 7;
  expect_invalid(attractor_memory_make("cpu", "hebbian", &patterns, nullptr, &memory), {"device of type 7"});
  patterns.value.device_type = 1;
  patterns.strides = {40, 2};
  patterns.value.strides = patterns.strides.data();
  expect_invalid(attractor_memory_make("cpu", "hebbian", &patterns, nullptr, &memory), {"2 apart", "side by side"});
  patterns.value.strides = nullptr;
  patterns.value.data = nullptr;
  expect_invalid(attractor_memory_make("cpu", "hebbian", &patterns, nullptr, &memory), {"patterns"});
  patterns.value.shape = nullptr;
  expect_invalid(attractor_memory_make("cpu", "hebbian", &patterns, nullptr, &memory), {"no shape"});

  const OwnMemory own = make("hebbian");
  attractor_rule_arrays arrays = {};
  const Tensor good(patterns_);
  expect_invalid(attractor_memory_make("cpu", "hebbian", &good, &arrays, &memory), {"size of arrays is 0"});
  attractor_relaxer_options options = defaults();
  attractor_relaxer* relaxer = nullptr;
  for (const auto& [member, name] :
       {std::pair{&attractor_relaxer_options::update, "update"}, {&attractor_relaxer_options::halting, "halting"}}) {
    options = defaults();
    options.*member = 17;
    expect_invalid(attractor_relaxer_make(own.get(), &options, &relaxer), {name, "17"});
  }
  options = defaults();
  options.update = ATTRACTOR_UPDATE_SIGN;
  options.at_zero = 3;
  expect_invalid(attractor_relaxer_make(own.get(), &options, &relaxer), {"at_zero", "3"});
  options = defaults();
  options.max_steps = 0;
  expect_invalid(attractor_relaxer_make(own.get(), &options, &relaxer), {"max_steps", "0"});
  expect_invalid(attractor_relaxer_make(nullptr, nullptr, &relaxer), {"memory is null"});
  EXPECT_EQ(relaxer, nullptr);

  const OwnRelaxer used = relaxer_of(own, defaults());
  Matrix<float> narrow(11, 19);
  const Tensor states(narrow);
  auto results = sized<attractor_relaxation>();
  expect_invalid(attractor_relax(used.get(), &queries, &results, nullptr), {"states is null"});
  expect_invalid(attractor_relax(used.get(), &queries, nullptr, nullptr), {"results is null"});
  results.states = &states;
  expect_invalid(attractor_relax(used.get(), &queries, &results, nullptr), {"19", "20"});
  expect_invalid(attractor_relax(used.get(), nullptr, &results, nullptr), {"queries is null"});
  expect_invalid(attractor_relax(nullptr, &queries, &results, nullptr), {"relaxer is null"});
  std::vector<std::int64_t> found(11);
  const Tensor vector(found.data(), {11});
  const Tensor few(found.data(), {10, 1});
  expect_invalid(attractor_nearest(own.get(), &queries, &vector, nullptr, 0), {"patterns", "1 dimensions"});
  expect_invalid(attractor_nearest(own.get(), &queries, &few, nullptr, 0), {"[10 × 1]", "[11 × 1]"});
  const Tensor right(found.data(), {11, 1});
  expect_error(attractor_retrieve(own.get(), &queries, &right, nullptr, 0.0F, 0), ATTRACTOR_NOT_SUPPORTED,
               {"probabilities"});
  std::array<std::int64_t, 1> unknown = {5};
  expect_invalid(attractor_memory_forget(own.get(), unknown.data(), 1), {"pattern 5"});
  expect_invalid(attractor_memory_forget(own.get(), nullptr, 1), {"patterns is null"});
  expect_invalid(attractor_memory_replace(own.get(), unknown.data(), 1, &queries, nullptr), {"pattern 5"});
  expect_invalid(attractor_memory_replace(own.get(), nullptr, 1, &queries, nullptr), {"patterns is null"});
  expect_invalid(attractor_memory_replace(own.get(), unknown.data(), 1, nullptr, nullptr), {"others is null"});
  attractor_memory_free(nullptr);
  attractor_relaxer_free(nullptr);
}

TEST_F(CApiTest, MessagesAreTheThreads) {
  expect_invalid(attractor_memory_make("cpu", "one", nullptr, nullptr, nullptr), {"memory is null"});
  std::thread([] {
    EXPECT_STREQ(attractor_last_error(), "");
    attractor_memory* memory = nullptr;
    expect_error(attractor_memory_load("cpu", "/nowhere/else", &memory), ATTRACTOR_FILE_ERROR, {"/nowhere/else"});
  }).join();
  EXPECT_NE(std::string(attractor_last_error()).find("memory is null"), std::string::npos);
}

TEST_F(CApiTest, StructsOfOtherVersionsAreUnderstood) {
  // One that lacks the last members, as an older program has it, and one that has more, as a newer one does.
  const OwnMemory memory = make("hebbian");
  struct Longer {
    attractor_relaxer_options options;
    std::uint64_t more;
  } longer = {defaults(), 1};
  longer.options.size = sizeof longer;
  longer.options.max_steps = 3;
  EXPECT_NE(relaxer_of(memory, longer.options), nullptr);
  attractor_relaxer_options shorter = defaults();
  shorter.size = offsetof(attractor_relaxer_options, max_steps);
  shorter.max_steps = -1;
  shorter.threads = -1;
  EXPECT_NE(relaxer_of(memory, shorter), nullptr);
  EXPECT_EQ(attractor_abi_version(), ATTRACTOR_ABI_VERSION);
  EXPECT_STREQ(attractor_version(), ATTRACTOR_VERSION);
}

/// One object in many threads at once.
class CApiThreadsTest : public CApiTest {
 protected:
  static constexpr int thread_count = 4;

  template <class Work>
  static void in_threads(const Work& work) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < thread_count; ++i) threads.emplace_back(work, i);
  }

  /// The states that queries relax to.
  [[nodiscard]] Matrix<float> relaxed(const OwnRelaxer& relaxer) {
    Matrix<float> states(queries_.rows(), queries_.columns());
    const Tensor queries(queries_);
    const Tensor to(states);
    auto results = sized<attractor_relaxation>();
    results.states = &to;
    EXPECT_EQ(attractor_relax(relaxer.get(), &queries, &results, nullptr), ATTRACTOR_OK) << attractor_last_error();
    return states;
  }
};

TEST_F(CApiThreadsTest, OneRelaxerServesAll) {
  const OwnMemory memory = make("hebbian");
  const OwnRelaxer relaxer = relaxer_of(memory, defaults());
  const Matrix<float> expected = Relaxer(Memory::hebbian(Device::cpu(), patterns_)).relax(queries_).states;
  in_threads([&](int /*thread*/) { EXPECT_TRUE(same_bits(relaxed(relaxer), expected)); });
}

TEST_F(CApiThreadsTest, CopiesChangeWhileOthersRelax) {
  const OwnMemory memory = make("hebbian");
  const Matrix<float> expected = Relaxer(Memory::hebbian(Device::cpu(), patterns_)).relax(queries_).states;
  const Matrix<float> fewer =
      Relaxer(Memory::hebbian(Device::cpu(), patterns_.view().slice(1, 4))).relax(queries_).states;
  in_threads([&](int thread) {
    attractor_memory* copied = nullptr;
    ASSERT_EQ(attractor_memory_copy(memory.get(), &copied), ATTRACTOR_OK);
    const OwnMemory own(copied);
    const std::int64_t first = 0;
    if (thread % 2 == 1) {
      ASSERT_EQ(attractor_memory_forget(own.get(), &first, 1), ATTRACTOR_OK);
    }
    EXPECT_TRUE(same_bits(relaxed(relaxer_of(own, defaults())), thread % 2 == 1 ? fewer : expected));
  });
}

TEST_F(CApiThreadsTest, EachHasItsOwnMessages) {
  in_threads([&](int thread) {
    const std::string path = "/nowhere/" + std::to_string(thread);
    attractor_memory* memory = nullptr;
    for (int i = 0; i < 20; ++i)
      expect_error(attractor_memory_load("cpu", path.c_str(), &memory), ATTRACTOR_FILE_ERROR, {path});
  });
}

TEST_F(CApiThreadsTest, AnotherMayCancel) {
  struct Signals {
    std::atomic<bool> begun = false;
    std::atomic<bool> cancelled = false;
  } signals;
  const OwnMemory memory = make("hebbian");
  const OwnRelaxer relaxer = relaxer_of(memory, defaults());
  LargeCall large(noisy_copies(patterns_, 3000, 0.2F, 1.0F, rng_));
  auto call = sized<attractor_call>();
  call.context = &signals;
  call.progress = [](std::int64_t /*finished*/, std::int64_t /*total*/, void* context) {
    auto& shared = *static_cast<Signals*>(context);
    shared.begun = true;
    shared.begun.notify_one();
    shared.cancelled.wait(false);
    return 1;
  };
  const std::jthread other([&] {
    signals.begun.wait(false);
    signals.cancelled = true;
    signals.cancelled.notify_one();
  });
  EXPECT_EQ(attractor_relax(relaxer.get(), &large.query_tensor, &large.results, &call), ATTRACTOR_OK)
      << attractor_last_error();
  EXPECT_EQ(large.status.back(), ATTRACTOR_STATUS_CANCELLED);
}

}  // namespace
}  // namespace attractor::test
