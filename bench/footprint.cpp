// Speed of footprints and of adaptive scores, exact and grouped, beside the rate of the comparators that their sorting
// networks consist of, in the same run.

#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include <omp.h>

#include "bench/support/machine_limits.hpp"
#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/table.hpp"
#include "bench/support/timing.hpp"

namespace attractor::bench {
namespace {

/// A memory and as many queries as make one call long enough to time.
struct Shape {
  Index dimension = 0;
  Index patterns = 0;
  Index queries = 0;
};

/// A way to score.
struct Scores {
  bool squared_distance = true;
  bool dot = true;
  Index groups = 1;
  TermPrecision precision = TermPrecision::full;
};

struct Job {
  RunOptions run;
  std::vector<int> dimensions = {16, 64, 128, 256, 784, 1024, 4096};
  Index patterns = 2048;
  int group_entries = 16;
  float seconds = 0.2F;
};

/// What one way of scoring took.
struct Finding {
  Shape shape;
  std::string way;
  int bases = 0;
  Index groups = 1;
  double seconds = 0.0;      ///< the median of interleaved calls
  double comparators = 0.0;  ///< of one sort
  double limit = 0.0;        ///< comparators a second, measured between the calls

  /// Of pairs and bases.
  [[nodiscard]] double sorts_per_second() const {
    return static_cast<double>(shape.patterns * shape.queries * bases) / seconds;
  }
  [[nodiscard]] double share_of_limit() const { return sorts_per_second() * comparators / limit; }
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Footprints and adaptive scores: sorts a second, exact and grouped, against the machine's rate of minima and\n"
      "maxima. Writes footprint.json and footprint.csv.");
  job.run.add_to(options);
  options.add("--dimensions", job.dimensions, "entries of a pattern");
  options.add("--patterns", job.patterns, "stored patterns");
  options.add("--group-entries", job.group_entries, "entries of a group of the approximation");
  options.add("--seconds", job.seconds, "that one call should take about");
  return options.parse(argc, argv);
}

/// Comparators of Batcher's merge of two sorted lists, rows past the end left out (Knuth, The Art of Computer
/// Programming 3, §5.2.2, algorithm M).
Index merge_comparators(Index list, Index rows) {
  Index count = 0;
  for (Index distance = list; distance >= 1; distance /= 2)
    for (Index block = distance == list ? 0 : distance; block + distance < rows; block += 2 * distance)
      count += std::min(distance, rows - block - distance);
  return count;
}

/// Comparators that sort one list: networks for 16, of which 60 comparators are the fewest known, then merges.
Index sort_comparators(Index rows) {
  constexpr Index run = 16;
  constexpr Index run_comparators = 60;
  Index count = (rows + run - 1) / run * run_comparators;
  for (Index list = run; list < rows; list *= 2)
    for (Index first = 0; first + list < rows; first += 2 * list)
      count += merge_comparators(list, std::min(2 * list, rows - first));
  return count;
}

Index sort_comparators(Index dimension, Index groups) {
  const Index larger = dimension % groups;
  return larger * sort_comparators(dimension / groups + 1) + (groups - larger) * sort_comparators(dimension / groups);
}

Matrix<float> normal_matrix(Index rows, Index columns, Random& random) {
  Matrix<float> matrix(rows, columns);
  std::normal_distribution<float> normal;
  std::generate_n(matrix.data(), matrix.size(), [&] { return normal(random); });
  return matrix;
}

AdaptiveSimilarity similarity(Index dimension, const Scores& scores) {
  std::vector<float> weights(static_cast<std::size_t>(rank_count(dimension, scores.groups)));
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = 1.0F / static_cast<float>(i + 1);
  return {.squared_distance = scores.squared_distance ? weights : std::vector<float>{},
          .dot = scores.dot ? weights : std::vector<float>{},
          .groups = scores.groups,
          .precision = scores.precision};
}

/// One way to score, and what it has taken so far.
struct Way {
  Finding finding;
  std::function<void()> score;
  std::vector<double> times = {};
};

class Measurement {
 public:
  Measurement(const Job& job, const Device& device, Index dimension)
      : job_(job),
        device_(device),
        random_(static_cast<std::uint64_t>(job.run.seed)),
        patterns_(normal_matrix(job.patterns, dimension, random_)) {
    shape_ = {dimension, job.patterns, queries_for(job.seconds)};
    queries_ = normal_matrix(shape_.queries, dimension, random_);
  }

  std::vector<Finding> run() {
    const Index groups = std::max(Index{1}, shape_.dimension / job_.group_entries);
    add("both bases", {});
    add("squared distance", {.dot = false});
    add("dot", {.squared_distance = false});
    add("both bases, 16 bits", {.precision = TermPrecision::bits16});
    add("both bases, 8 bits", {.precision = TermPrecision::bits8});
    if (groups > 1) add("both bases, grouped", {.groups = groups});
    add_footprints();
    return time_all();
  }

 private:
  /// From a guess of the sorts that a thread gets through.
  [[nodiscard]] Index queries_for(float wanted) const {
    const double comparators_per_second = 2e10 * threads();
    const double one = 2.0 * static_cast<double>(job_.patterns * sort_comparators(patterns_.columns()));
    return std::max(Index{64}, static_cast<Index>(static_cast<double>(wanted) * comparators_per_second / one));
  }

  [[nodiscard]] int threads() const { return job_.run.threads > 0 ? job_.run.threads : omp_get_max_threads(); }

  void add(const std::string& name, const Scores& scores) {
    const Memory memory = Memory::adaptive(device_, patterns_, similarity(shape_.dimension, scores));
    Way& way = ways_.emplace_back();
    way.finding.shape = shape_;
    way.finding.way = name;
    way.finding.bases = (scores.squared_distance ? 1 : 0) + (scores.dot ? 1 : 0);
    way.finding.groups = scores.groups;
    way.score = [this, memory] { retrieve(memory, queries_, {.threads = job_.run.threads}); };
  }

  /// Of few queries: they are as long as the patterns.
  void add_footprints() {
    Way& way = ways_.emplace_back();
    way.finding.shape = shape_;
    way.finding.shape.queries = std::clamp((Index{1} << 25U) / patterns_.size(), Index{1}, shape_.queries);
    way.finding.way = "footprints stored";
    way.finding.bases = 1;
    way.score = [this, queries = way.finding.shape.queries] {
      const MatrixView<const float> few = {queries_.data(), queries, shape_.dimension};
      footprint(device_, patterns_, few, {.threads = job_.run.threads});
    };
  }

  std::vector<Finding> time_all() {
    std::vector<double> limits;
    for (Way& way : ways_) way.score();
    for (int i = 0; i < job_.run.repetitions; ++i) {
      limits.push_back(comparator_limit(threads()));
      for (Way& way : ways_) way.times.push_back(seconds(way.score));
    }
    std::vector<Finding> findings;
    for (Way& way : ways_) {
      way.finding.seconds = median(way.times);
      way.finding.comparators = static_cast<double>(sort_comparators(shape_.dimension, way.finding.groups));
      way.finding.limit = median(limits);
      findings.push_back(way.finding);
    }
    return findings;
  }

  const Job& job_;
  const Device& device_;
  Random random_;
  Matrix<float> patterns_;
  Shape shape_;
  Matrix<float> queries_;
  std::vector<Way> ways_;
};

void print(const std::vector<Finding>& findings) {
  Table table({"", "d", "groups", "pairs/s, 10⁶", "sorts/s, 10⁶", "ns a sort", "comparators a sort",
               "comparators/s, 10⁹", "limit, 10⁹", "of the limit, %"});
  for (const Finding& finding : findings) {
    const double rate = finding.sorts_per_second();
    table.add({finding.way, std::to_string(finding.shape.dimension), std::to_string(finding.groups),
               decimal(1e-6 * rate / finding.bases, 2), decimal(1e-6 * rate, 2), decimal(1e9 / rate, 2),
               decimal(finding.comparators, 0), decimal(1e-9 * rate * finding.comparators, 1),
               decimal(1e-9 * finding.limit, 1), percent(finding.share_of_limit(), 0)});
  }
  table.print(std::cout);
}

Record to_record(const Finding& finding) {
  return {{"way", finding.way},
          {"dimension", finding.shape.dimension},
          {"patterns", finding.shape.patterns},
          {"queries", finding.shape.queries},
          {"bases", std::int64_t{finding.bases}},
          {"groups", finding.groups},
          {"seconds", finding.seconds},
          {"sorts_per_second", finding.sorts_per_second()},
          {"comparators_per_sort", finding.comparators},
          {"comparator_limit", finding.limit},
          {"share_of_limit", finding.share_of_limit()}};
}

void run(const Job& job) {
  if (job.run.repetitions < 1) throw UsageError("--repetitions must be at least 1");
  if (job.group_entries < 1) throw UsageError("--group-entries must be at least 1");
  const Device device = job.run.chosen_device();
  ProgressLine progress(static_cast<int>(job.dimensions.size()), job.run.progress);
  std::vector<Finding> findings;
  for (const int dimension : job.dimensions) {
    progress.next_stage("d = " + std::to_string(dimension));
    for (Finding& finding : Measurement(job, device, dimension).run()) findings.push_back(std::move(finding));
  }
  progress.clear();
  print(findings);
  std::vector<Record> records;
  for (const Finding& finding : findings) records.push_back(to_record(finding));
  job.run.write("footprint", "rows", job.run.context(), records);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
