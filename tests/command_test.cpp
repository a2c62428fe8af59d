/// The command: what it writes is what the library returns, also in parts and after interruptions.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/folder.hpp"
#include "tests/support/results.hpp"

namespace attractor::test {
namespace {

namespace fs = std::filesystem;

using Words = std::vector<std::string>;

/// A command that runs, its outputs in files.
class Process {
 public:
  Process(const Words& words, const fs::path& out, const fs::path& error) : id_(fork()) {
    if (id_ != 0) return;
    redirect(out, STDOUT_FILENO);
    redirect(error, STDERR_FILENO);
    std::vector<char*> arguments;
    for (const std::string& word : words)
      arguments.push_back(const_cast<char*>(word.c_str()));  // NOLINT: as exec has it
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (id_ > 0) static_cast<void>(wait());
  }

  void send(int signal) const { kill(id_, signal); }

  /// The exit status, or minus the signal that ended it.
  int wait() {
    int status = 0;
    waitpid(id_, &status, 0);
    id_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  static void redirect(const fs::path& path, int to) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);  // NOLINT: varargs, as it is
    dup2(file, to);
  }

  pid_t id_;
};

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class CommandTest : public testing::Test {
 protected:
  struct Outcome {
    int exit;
    std::string out;
    std::string error;
  };

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  [[nodiscard]] std::unique_ptr<Process> start(Words words) const {
    words.insert(words.begin(), ATTRACTOR_COMMAND);
    return std::make_unique<Process>(words, folder_ / "out", folder_ / "error");
  }

  [[nodiscard]] Outcome run(const Words& words) const {
    const int exit = start(words)->wait();
    return {exit, text_of(folder_ / "out"), text_of(folder_ / "error")};
  }

  void expect_success(const Words& words) const {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit, 0) << outcome.error;
  }

  void expect_failure(const Words& words, int exit, std::initializer_list<std::string> says) const {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit, exit) << outcome.error;
    for (const std::string& word : says)
      EXPECT_NE((outcome.out + outcome.error).find(word), std::string::npos) << outcome.error << " lacks " << word;
  }

  template <class T>
  void write(const std::string& name, const T* values, Index rows, Index columns) const {
    ArrayFile file(path(name), type_of<T>(), rows, columns);
    std::copy_n(values, rows * std::max(columns, Index{1}), file.elements<T>().data);
  }
  void write(const std::string& name, const Matrix<float>& values) const {
    write(name, values.data(), values.rows(), values.columns());
  }

  template <class T>
  static ElementType type_of() {
    if (std::is_same_v<T, double>) return ElementType::float64;
    if (std::is_same_v<T, std::int64_t>) return ElementType::int64;
    return std::is_same_v<T, std::int8_t> ? ElementType::int8 : ElementType::float32;
  }

  [[nodiscard]] Matrix<float> read(const std::string& name) const { return ArrayFile(path(name)).floats(); }

  /// As floats, which hold such small numbers.
  template <class Values>
  static Matrix<float> as_column(const Values& values) {
    Matrix<float> result(static_cast<Index>(values.size()), 1);
    std::transform(values.begin(), values.end(), result.data(), [](auto value) { return static_cast<float>(value); });
    return result;
  }

  TestFolder folder_;
  Rng rng_{17};
  Matrix<float> patterns_ = random_bipolar(6, 50, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, 40, 0.1F, 1.5F, rng_);
};

TEST_F(CommandTest, RelaxesAsTheLibraryDoes) {
  write("patterns.npy", patterns_);
  write("queries.npy", queries_);
  expect_success({"make", "--rule", "projection(ridge = 0.1)", "--patterns", path("patterns.npy"), "-o", path("m")});
  expect_success({"relax",
                  path("m"),
                  path("queries.npy"),
                  "-o",
                  path("states.npy"),
                  "--steps",
                  path("steps.npy"),
                  "--energies",
                  path("energies.npy"),
                  "--status",
                  path("status.npy"),
                  "--update",
                  "tanh",
                  "--gain",
                  "1.5",
                  "--halting",
                  "energy",
                  "--relative",
                  "1e-3",
                  "--patience",
                  "2",
                  "--max-steps",
                  "9"});
  const Relaxation expected =
      Relaxer(
          Memory::projection(Device::cpu(), patterns_, {.ridge = 0.1F}),
          {.update = tanh_update(1.5F), .halting = energy_stable({.relative = 1e-3F, .patience = 2}), .max_steps = 9})
          .relax(queries_);
  EXPECT_TRUE(same_bits(read("states.npy"), expected.states));
  EXPECT_TRUE(same_bits(read("steps.npy"), as_column(expected.steps)));
  EXPECT_TRUE(same_bits(read("energies.npy"), as_column(expected.energies)));
  EXPECT_TRUE(same_bits(read("status.npy"), as_column(expected.status)));
  EXPECT_EQ(ArrayFile(path("steps.npy")).type(), ElementType::int32);
  EXPECT_EQ(ArrayFile(path("status.npy")).type(), ElementType::uint8);
  for (const fs::directory_entry& file : fs::directory_iterator(folder_.path())) {
    EXPECT_NE(file.path().extension(), ".part") << file;
    EXPECT_NE(file.path().extension(), ".progress") << file;
  }
}

TEST_F(CommandTest, EveryUpdateIsTheLibrarys) {
  write("patterns.npy", patterns_);
  write("queries.npy", queries_);
  expect_success({"make", "--rule", "hebbian", "--patterns", path("patterns.npy"), "-o", path("m")});
  const std::vector<std::pair<Words, Update>> cases = {
      {{"--update", "sign"}, sign_update()},
      {{"--update", "asynchronous"}, asynchronous_sign_update()},
      {{"--update", "asynchronous", "--seed", "7"}, asynchronous_sign_update(7)},
      {{"--update", "readout", "--halting", "fixed", "--max-steps", "3"}, readout_update()},
      {{"--update", "blend", "--rate", "0.25", "--halting", "state", "--tolerance", "0.5"}, blend_update(0.25F)}};
  const std::vector<std::optional<Halting>> haltings = {std::nullopt, std::nullopt, std::nullopt, fixed_steps(),
                                                        state_stable(0.5F)};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    Words words = {"relax", path("m"), path("queries.npy"), "-o", path("states.npy")};
    words.insert(words.end(), cases[i].first.begin(), cases[i].first.end());
    expect_success(words);
    const Relaxation expected =
        Relaxer(Memory::hebbian(Device::cpu(), patterns_),
                {.update = cases[i].second, .halting = haltings[i], .max_steps = i == 3 ? 3 : 100})
            .relax(queries_);
    EXPECT_TRUE(same_bits(read("states.npy"), expected.states)) << cases[i].first[1];
  }
}

TEST_F(CommandTest, QueriesOfEveryType) {
  write("patterns.npy", patterns_);
  expect_success({"make", "--rule", "hebbian", "--patterns", path("patterns.npy"), "-o", path("m")});
  const Matrix<float> bipolar = flipped_copies(patterns_, 30, 0.1, rng_);
  const Relaxation expected = Relaxer(Memory::hebbian(Device::cpu(), patterns_)).relax(bipolar);
  const std::vector<double> doubles(bipolar.data(), bipolar.data() + bipolar.size());
  std::vector<std::int8_t> bytes(doubles.size());
  std::transform(doubles.begin(), doubles.end(), bytes.begin(), [](double x) { return static_cast<std::int8_t>(x); });
  write("doubles.npy", doubles.data(), 30, 50);
  write("bytes.npy", bytes.data(), 30, 50);
  const BitMatrix bits = to_bits(bipolar);
  {
    ArrayFile file(path("bits.npy"), ElementType::uint8, 30, 7);
    for (Index i = 0; i < 30; ++i) std::copy_n(bits.view().row(i), 7, file.elements<std::uint8_t>().row(i));
  }
  for (const char* const name : {"doubles.npy", "bytes.npy", "bits.npy"}) {
    Words words = {"relax", path("m"), path(name), "-o", path("states.npy"), "--chunk", "1"};
    if (std::string(name) == "bits.npy") words.emplace_back("--bits");
    expect_success(words);
    EXPECT_TRUE(same_bits(read("states.npy"), expected.states)) << name;
  }
  expect_success({"relax", path("m"), path("bytes.npy"), "-o", path("states.npy"), "--as", "int8"});
  EXPECT_EQ(ArrayFile(path("states.npy")).type(), ElementType::int8);
  EXPECT_TRUE(same_bits(read("states.npy"), expected.states));
  expect_success({"relax", path("m"), path("doubles.npy"), "-o", path("states.npy"), "--as", "float16"});
  EXPECT_EQ(ArrayFile(path("states.npy")).type(), ElementType::float16);
  EXPECT_TRUE(same_bits(read("states.npy"), expected.states));
  expect_success({"relax", path("m"), path("bits.npy"), "--bits", "-o", path("states.npy"), "--as", "bits"});
  EXPECT_TRUE(same_bits(from_bits(ArrayFile(path("states.npy")).bits(50)), expected.states));
}

TEST_F(CommandTest, ContentsAndTemperatures) {
  const Matrix<float> contents = random_gaussian(6, 3, rng_);
  const std::vector<float> log_prior = {0.0F, -1.0F, 0.5F, 0.0F, 0.0F, 0.25F};
  write("patterns.npy", patterns_);
  write("contents.npy", contents);
  write("prior.npy", log_prior.data(), 6, 0);
  write("queries.npy", queries_);
  expect_success({"make", "--rule", "modern_hopfield(beta = 0.25)", "--patterns", path("patterns.npy"), "--contents",
                  path("contents.npy"), "--log-prior", path("prior.npy"), "-o", path("m")});
  expect_success({"relax", path("m"), path("queries.npy"), "-o", path("states.npy"), "--contents", path("read.npy"),
                  "--beta", "0.1", "0.5"});
  const Memory memory =
      Memory::modern_hopfield(Device::cpu(), patterns_, {.beta = 0.25F, .log_prior = log_prior, .contents = contents});
  const std::vector<float> betas = {0.1F, 0.5F};
  const Relaxation expected = Relaxer(memory).relax(queries_, {.betas = betas});
  EXPECT_TRUE(same_bits(read("states.npy"), expected.states));
  EXPECT_TRUE(same_bits(read("read.npy"), expected.contents));
}

TEST_F(CommandTest, RetrievesAsTheLibraryDoes) {
  write("patterns.npy", patterns_);
  write("queries.npy", queries_);
  expect_success(
      {"make", "--rule", "modern_hopfield(beta = 0.1)", "--patterns", path("patterns.npy"), "-o", path("m")});
  const Memory memory = Memory::modern_hopfield(Device::cpu(), patterns_, {.beta = 0.1F});
  expect_success({"retrieve", path("m"), path("queries.npy"), "-k", "3", "-o", path("found.npy"), "--posteriors",
                  path("posteriors.npy"), "--beta", "0.2"});
  const Retrieval expected = retrieve(memory, queries_, {.count = 3, .beta = 0.2F});
  EXPECT_EQ(ArrayFile(path("found.npy")).type(), ElementType::int64);
  EXPECT_EQ(ArrayFile(path("found.npy")).columns(), 3);
  const auto flat = [](const Matrix<float>& values) {
    return MatrixView<const float>(values.data(), values.size(), 1);
  };
  EXPECT_TRUE(same_bits(flat(read("found.npy")), as_column(expected.pattern)));
  EXPECT_TRUE(same_bits(flat(read("posteriors.npy")), as_column(expected.posterior)));
  expect_success({"nearest", path("m"), path("queries.npy"), "-k", "2", "-o", path("near.npy"), "--overlaps",
                  path("overlaps.npy")});
  const Nearest near = nearest(memory, queries_, {.count = 2});
  EXPECT_TRUE(same_bits(flat(read("near.npy")), as_column(near.pattern)));
  EXPECT_TRUE(same_bits(flat(read("overlaps.npy")), as_column(near.overlap)));
}

TEST_F(CommandTest, FitsAsTheLibraryDoes) {
  write("patterns.npy", patterns_);
  expect_success({"fit", "--patterns", path("patterns.npy"), "--variant", "noisy", "--severity", "0.5", "--count", "60",
                  "--epochs", "5", "-o", path("m")});
  const Fit fitted =
      fit_similarity(Device::cpu(), patterns_, {.variant = Variant::noisy, .severity = 0.5F}, 60, {.epochs = 5});
  const Memory memory = load(Device::cpu(), path("m"));
  ASSERT_NE(memory.similarity(), nullptr);
  EXPECT_EQ(memory.similarity()->squared_distance, fitted.similarity.squared_distance);
  EXPECT_EQ(memory.similarity()->dot, fitted.similarity.dot);
  const std::vector<Index> origins = {0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5};
  const Matrix<float> queries = noisy_copies(patterns_, 12, 0.2F, 0.4F, rng_);
  write("queries.npy", queries);
  write("origins.npy", origins.data(), 12, 0);
  expect_success({"fit", "--patterns", path("patterns.npy"), "--queries", path("queries.npy"), "--origins",
                  path("origins.npy"), "--epochs", "3", "-o", path("own")});
  EXPECT_EQ(load(Device::cpu(), path("own")).similarity()->dot,
            fit_similarity(Device::cpu(), patterns_, queries, origins, {.epochs = 3}).similarity.dot);
}

TEST_F(CommandTest, ShardsMakeTheWhole) {
  write("patterns.npy", patterns_);
  write("queries.npy", queries_);
  expect_success({"make", "--rule", "hebbian", "--patterns", path("patterns.npy"), "-o", path("m")});
  expect_success({"relax", path("m"), path("queries.npy"), "-o", path("states.npy")});
  // 40 queries in 7 parts, of which some have one more than others, and one in 50 that have none.
  Index row = 0;
  for (Index shard = 0; shard < 7; ++shard) {
    const std::string text = std::to_string(shard) + "/7";
    expect_success({"relax", path("m"), path("queries.npy"), "-o", path("part.npy"), "--shard", text});
    const Matrix<float> part = read("part." + std::to_string(shard) + "-of-7.npy");
    const Matrix<float> states = read("states.npy");
    EXPECT_TRUE(same_bits(part, states.view().slice(row, part.rows()))) << text;
    row += part.rows();
  }
  EXPECT_EQ(row, 40);
  expect_success({"relax", path("m"), path("queries.npy"), "-o", path("none.npy"), "--shard", "49/50"});
  EXPECT_EQ(ArrayFile(path("none.49-of-50.npy")).rows(), 0);
  for (const char* const shard : {"7/7", "-1/7", "1", "1/0", "a/7", "1/7x", "/"})
    expect_failure({"relax", path("m"), path("queries.npy"), "-o", path("part.npy"), "--shard", shard}, 2, {"i/n"});
}

/// A run of several chunks that takes a while.
class InterruptedCommandTest : public CommandTest {
 protected:
  InterruptedCommandTest() {
    const Matrix<float> patterns = random_bipolar(40, 256, rng_);
    const Matrix<float> queries = noisy_copies(patterns, 6000, 1.0F, 2.0F, rng_);
    write("patterns.npy", patterns);
    write("queries.npy", queries);
    expect_success(
        {"make", "--rule", "hebbian(evaluation = dense)", "--patterns", path("patterns.npy"), "-o", path("m")});
    const Memory memory = Memory::hebbian(Device::cpu(), patterns, {.evaluation = Evaluation::dense});
    expected_ =
        Relaxer(memory, {.update = tanh_update(), .halting = fixed_steps(), .max_steps = 40}).relax(queries).states;
  }

  /// 6 MiB of queries and as many of results, in chunks of 1 MiB.
  [[nodiscard]] Words words(const std::string& output) const {
    return {"relax",     path("m"), path("queries.npy"), "-o", path(output), "--update", "tanh",
            "--halting", "fixed",   "--max-steps",       "40", "--chunk",    "1",        "--threads",
            "1",         "--json"};
  }

  /// Starts a run and sends a signal once some rows are done. Whether it came before the end.
  [[nodiscard]] int interrupt(int signal) const {
    const std::unique_ptr<Process> process = start(words("states.npy"));
    for (int i = 0; i < 20000 && !fs::exists(path("states.npy.progress")); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    process->send(signal);
    return process->wait();
  }

  void expect_to_go_on() const {
    EXPECT_FALSE(fs::exists(path("states.npy")));
    const Outcome outcome = run(words("states.npy"));
    EXPECT_EQ(outcome.exit, 0) << outcome.error;
    EXPECT_TRUE(same_bits(read("states.npy"), expected_));
    // Each query has been taken once, before or after.
    EXPECT_NE(outcome.out.find("\"status\":{\"max_steps\":6000}"), std::string::npos) << outcome.out;
    EXPECT_FALSE(fs::exists(path("states.npy.progress")));
    EXPECT_FALSE(fs::exists(path("states.npy.part")));
  }

  Matrix<float> expected_;
};

TEST_F(InterruptedCommandTest, GoesOn) {
  for (const int signal : {SIGINT, SIGTERM}) {
    fs::remove(path("states.npy"));
    EXPECT_EQ(interrupt(signal), 128 + signal);
    EXPECT_NE(text_of(folder_ / "error").find("interrupted after"), std::string::npos);
    expect_to_go_on();
  }
}

TEST_F(InterruptedCommandTest, GoesOnAfterACrash) {
  EXPECT_EQ(interrupt(SIGKILL), -SIGKILL);
  expect_to_go_on();
}

TEST_F(InterruptedCommandTest, ARunThatWasAnotherIsNotGoneOnWith) {
  EXPECT_EQ(interrupt(SIGINT), 130);
  Words other = words("states.npy");
  other[10] = "41";
  expect_failure(other, 2, {"max_steps was 40 and is 41", "--restart"});
  // What has changed since is another file.
  fs::last_write_time(path("queries.npy"), fs::file_time_type::clock::now());
  expect_failure(words("states.npy"), 2, {"queries was", "--restart"});
  Words anew = words("states.npy");
  anew.emplace_back("--restart");
  expect_success(anew);
  EXPECT_TRUE(same_bits(read("states.npy"), expected_));
}

TEST_F(InterruptedCommandTest, WhatIsLeftOfARunMustBeWhole) {
  EXPECT_EQ(interrupt(SIGINT), 130);
  fs::copy_file(path("states.npy.progress"), path("kept"));
  std::ofstream(path("states.npy.progress")) << "{";
  expect_failure(words("states.npy"), 1, {"states.npy.progress", "--restart"});
  std::ofstream(path("states.npy.progress")) << "[1]";
  expect_failure(words("states.npy"), 1, {"states.npy.progress", "--restart"});
  fs::copy_file(path("kept"), path("states.npy.progress"), fs::copy_options::overwrite_existing);
  fs::remove(path("states.npy.part"));
  expect_failure(words("states.npy"), 1, {"states.npy.part"});
}

TEST_F(InterruptedCommandTest, EndsWhatHadOnlyToBePutInItsPlace) {
  EXPECT_EQ(interrupt(SIGINT), 130);
  const std::string before = text_of(path("states.npy.progress"));
  std::ofstream(path("states.npy.progress"))
      << std::regex_replace(before, std::regex(R"("done": \d+)"), R"("done": 6000)");
  fs::rename(path("states.npy.part"), path("states.npy"));
  const std::string states = text_of(path("states.npy"));
  expect_success(words("states.npy"));
  EXPECT_EQ(text_of(path("states.npy")), states);
  EXPECT_FALSE(fs::exists(path("states.npy.progress")));
}

TEST_F(CommandTest, MakesMemoriesOfOthersTensors) {
  const Matrix<float> contents = random_gaussian(patterns_.rows(), 3, rng_);
  save(Memory::modern_hopfield(Device::cpu(), patterns_, {.contents = contents}), path("some.safetensors"));
  const auto make = [&](const Words& more) {
    Words words = {"make", "--rule", "exponential(beta = 0.5)", "-o", path("m"), "--device", "cpu"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };

  expect_success(make({"--patterns", path("some.safetensors")}));
  EXPECT_TRUE(same_bits(load(Device::cpu(), path("m")).patterns(), patterns_));
  expect_success(make({"--patterns", path("some.safetensors:contents"), "--contents", ":patterns"}));
  const Memory memory = load(Device::cpu(), path("m"));
  EXPECT_EQ(memory.rule(), "exponential(beta = 0.5, storage = float32, content_storage = float32, precision = full)");
  EXPECT_TRUE(same_bits(memory.patterns(), contents));
  EXPECT_TRUE(same_bits(memory.contents(), patterns_));

  expect_failure(make({"--patterns", path("some.safetensors:values")}), 1, {"no tensor values"});
  expect_failure(make({"--patterns", path("some.safetensors"), "--contents", path("c.npy")}), 2, {"c.npy", ":NAME"});
}

TEST_F(CommandTest, SaysWhatIsWrong) {
  write("patterns.npy", patterns_);
  write("queries.npy", queries_);
  write("narrow.npy", random_gaussian(4, 9, rng_));
  expect_failure({}, 2, {"subcommand"});
  expect_failure({"unmake"}, 2, {"subcommand"});
  expect_failure({"make", "--rule", "hebbian"}, 2, {"--patterns"});
  expect_failure({"make", "--rule", "hopfield", "--patterns", path("patterns.npy"), "-o", path("m")}, 2,
                 {"hopfield", "modern_hopfield"});
  expect_failure({"make", "--rule", "hebbian", "--patterns", path("nothing.npy"), "-o", path("m")}, 1, {"nothing.npy"});
  expect_failure({"make", "--rule", "hebbian", "--patterns", path("patterns.npy"), "-o", path("no/folder/m")}, 1,
                 {"no/folder"});
  expect_success({"make", "--rule", "hebbian", "--patterns", path("patterns.npy"), "-o", path("m")});
  expect_failure({"relax", path("m"), path("narrow.npy"), "-o", path("s.npy")}, 2, {"narrow.npy", "9 columns", "50"});
  expect_failure({"relax", path("m"), path("m"), "-o", path("s.npy")}, 1, {"isn't a file of NumPy's"});
  expect_failure({"relax", path("queries.npy"), path("queries.npy"), "-o", path("s.npy")}, 1, {"queries.npy"});
  expect_failure({"relax", path("m"), path("queries.npy"), "-o", path("s.npy"), "--device", "gpu"}, 2,
                 {"gpu", "cuda:N"});
  expect_failure({"relax", path("m"), path("queries.npy"), "-o", path("s.npy"), "--update", "tan"}, 2, {"--update"});
  expect_failure({"relax", path("m"), path("queries.npy"), "-o", path("s.npy"), "--max-steps", "0"}, 2, {"max_steps"});
  expect_failure({"relax", path("m"), path("queries.npy"), "-o", path("s.npy"), "--contents", path("c.npy")}, 2,
                 {"no contents"});
  expect_failure({"relax", path("m"), path("queries.npy"), "-o", path("s.npy"), "--bits"}, 2, {"float32", "uint8"});
  expect_failure({"relax", path("m"), path("queries.npy"), "-o", path("s.npy"), "--as", "int8"}, 2, {"int8"});
  expect_failure({"retrieve", path("m"), path("queries.npy"), "-o", path("f.npy")}, 1, {"no probabilities"});
  EXPECT_FALSE(fs::exists(path("f.npy.part")));
  expect_failure({"nearest", path("m"), path("queries.npy"), "-o", path("f.npy"), "-k", "7"}, 2, {"7", "6"});
  EXPECT_FALSE(fs::exists(path("s.npy")));
}

TEST_F(CommandTest, TellsMachines) {
  write("patterns.npy", patterns_);
  write("queries.npy", queries_);
  Outcome outcome = run({"make", "--rule", "hebbian", "--patterns", path("patterns.npy"), "-o", path("m"), "--json"});
  EXPECT_EQ(outcome.out.find("{\"rule\":\"hebbian("), 0U) << outcome.out;
  outcome = run({"info", path("m"), "--json"});
  EXPECT_NE(outcome.out.find("\"patterns\":6,\"dimension\":50"), std::string::npos) << outcome.out;
  outcome = run({"relax", path("m"), path("queries.npy"), "-o", path("s.npy"), "--json"});
  EXPECT_EQ(outcome.out.find("{\"queries\":40,\"mean_steps\":"), 0U) << outcome.out;
  EXPECT_NE(outcome.out.find("\"status\":{\"converged\":"), std::string::npos) << outcome.out;
  EXPECT_TRUE(outcome.error.empty()) << outcome.error;
  EXPECT_EQ(run({"--version"}).out, std::string(ATTRACTOR_VERSION) + "\n");
  outcome = run({"info", path("m")});
  EXPECT_EQ(outcome.out.find("6 patterns of 50 neurons\n"), 0U) << outcome.out;
}

}  // namespace
}  // namespace attractor::test
