// The published study of adaptive similarity (A-Hop, arXiv 2511.20609), repeated: which of 2,048 synthetic patterns
// does a noisy, masked or biased query come from? Weights fitted to such variants against fixed similarities, and what
// sort, running sums and bases each contribute.

#include <array>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "bench/support/ablation.hpp"
#include "bench/support/progress.hpp"
#include "bench/support/queries.hpp"
#include "bench/support/run_options.hpp"
#include "bench/support/similarities.hpp"
#include "bench/support/table.hpp"

namespace attractor::bench {
namespace {

struct Corruption {
  Variant variant;
  std::string name;
};

const std::array<Corruption, 4> corruptions = {
    {{Variant::noisy, "noisy"}, {Variant::masked, "masked"}, {Variant::biased, "biased"}, {Variant::mixed, "mixed"}}};

/// Published for the mixture.
struct Published {
  int severity;
  double best_fixed;
  double adaptive;
};

constexpr std::array<Published, 2> published = {{{40, 0.521, 0.724}, {50, 0.195, 0.360}}};

/// Published at severity 0.4 of the mixture.
struct AblationCase {
  std::string name;
  FeatureKind kind;
  double published;
};

constexpr int ablation_severity = 40;

const std::array<AblationCase, 4> ablation_cases = {
    {{"neither: entry by entry", {.sorted = false, .cumulative = false}, 0.517},
     {"running sums of unsorted terms", {.sorted = false, .cumulative = true}, 0.544},
     {"sort", {.sorted = true, .cumulative = false}, 0.693},
     {"sort and running sums", {.sorted = true, .cumulative = true}, 0.728}}};

struct Job {
  RunOptions run;
  Index dimension = 64;
  Index patterns = 2048;
  Index fitted = 1000;
  Index queries = 2000;
  Index ablation_fitted = 500;
  int epochs = 40;
  float spread = 1.5F;
  std::vector<int> severities = {10, 20, 30, 40, 50, 60};
  bool no_ablation = false;
};

/// One corruption at one severity.
struct Finding {
  std::string corruption;
  int severity = 0;
  Contest contest;
  double bits16 = 0.0;  ///< what is recovered from terms rounded to 16 bits
  double bits8 = 0.0;
  int fit_epochs = 0;
};

struct AblationFinding {
  std::string name;
  std::optional<double> published;
  double accuracy = 0.0;
};

bool parse(int argc, const char* const* argv, Job& job) {
  Options options(
      "Which synthetic pattern does a corrupted query come from? Fitted adaptive similarity against fixed ones, "
      "beside\n"
      "the published figures. Writes adaptive-retrieval.json, .csv and -ablation.csv.");
  job.run.add_to(options);
  options.add("--dimension", job.dimension, "entries of a pattern");
  options.add("--patterns", job.patterns, "stored patterns, standard normal");
  options.add("--fitted", job.fitted, "variants that weights are fitted to, for each corruption and severity");
  options.add("--queries", job.queries, "other variants that are asked for");
  options.add("--ablation-fitted", job.ablation_fitted, "variants that the ablation is fitted to");
  options.add("--epochs", job.epochs, "of a fit by L-BFGS, at most");
  options.add("--spread", job.spread, "unit of noise, masks and biases");
  options.add("--severities", job.severities, "in per cent");
  options.add_flag("--no-ablation", job.no_ablation, "leave the ablation out");
  return options.parse(argc, argv);
}

Matrix<float> normal_patterns(const Job& job) {
  Matrix<float> patterns(job.patterns, job.dimension);
  Random random(static_cast<std::uint64_t>(job.run.seed));
  std::normal_distribution<float> normal;
  std::generate_n(patterns.data(), patterns.size(), [&] { return normal(random); });
  return patterns;
}

/// Variants to fit to have even seeds, those that are asked for odd ones.
Variants draw(const Job& job, MatrixView<const float> patterns, Variant variant, int severity, Index count,
              bool asked) {
  const auto seed = 2 * static_cast<std::uint64_t>(job.run.seed) + (asked ? 1U : 0U);
  return make_variants(
      patterns, count,
      {.variant = variant, .severity = static_cast<float>(severity) / 100.0F, .spread = job.spread, .seed = seed});
}

Fit fit(const Job& job, const Device& device, MatrixView<const float> patterns, const Variants& variants,
        FitOptions options = {}) {
  options.epochs = job.epochs;
  options.threads = job.run.threads;
  return fit_similarity(device, patterns, variants.queries, variants.origins, options);
}

Finding study(const Job& job, const Device& device, MatrixView<const float> patterns, const Corruption& corruption,
              int severity) {
  Training training{patterns, draw(job, patterns, corruption.variant, severity, job.fitted, false), {}};
  Fit fitted = fit(job, device, patterns, training.variants);
  training.similarity = std::move(fitted.similarity);
  const Variants asked = draw(job, patterns, corruption.variant, severity, job.queries, true);
  const auto recovered = [&](TermPrecision precision) {
    return measure(rounded_memory(device, patterns, training.similarity, precision), asked, job.run.threads).accuracy;
  };
  return {.corruption = corruption.name,
          .severity = severity,
          .contest = compete(device, patterns, training, asked, job.run.threads),
          .bits16 = recovered(TermPrecision::bits16),
          .bits8 = recovered(TermPrecision::bits8),
          .fit_epochs = static_cast<int>(fitted.history.size())};
}

std::vector<AblationFinding> study_parts(const Job& job, const Device& device, MatrixView<const float> patterns,
                                         ProgressLine& progress) {
  const Variants fitted = draw(job, patterns, Variant::mixed, ablation_severity, job.ablation_fitted, false);
  const Variants asked = draw(job, patterns, Variant::mixed, ablation_severity, job.queries, true);
  std::vector<AblationFinding> findings;
  for (const AblationCase& part : ablation_cases) {
    progress.next_stage("ablation: " + part.name);
    const auto show = [&](int epoch, double loss) {
      progress.detail("epoch " + std::to_string(epoch) + ", loss " + decimal(loss, 3));
    };
    const double accuracy =
        ablation_accuracy(device, patterns, part.kind, fitted, asked, {.threads = job.run.threads, .progress = show});
    findings.push_back({part.name, part.published, accuracy});
  }
  return findings;
}

std::vector<AblationFinding> study_bases(const Job& job, const Device& device, MatrixView<const float> patterns,
                                         ProgressLine& progress) {
  const Variants fitted = draw(job, patterns, Variant::mixed, ablation_severity, job.fitted, false);
  const Variants asked = draw(job, patterns, Variant::mixed, ablation_severity, job.queries, true);
  std::vector<AblationFinding> findings;
  const auto add = [&](const std::string& name, const FitOptions& options) {
    progress.next_stage(name);
    const Fit result = fit(job, device, patterns, fitted, options);
    const Memory memory = Memory::adaptive(device, patterns, result.similarity);
    findings.push_back({name, std::nullopt, measure(memory, asked, job.run.threads).accuracy});
  };
  add("L-BFGS, squared distance alone", {.dot = false});
  add("L-BFGS, dot alone", {.squared_distance = false});
  add("L-BFGS, both bases", {});
  return findings;
}

std::string published_text(const Finding& finding, double Published::*figure) {
  for (const Published& row : published)
    if (finding.corruption == "mixed" && finding.severity == row.severity) return percent(row.*figure, 1);
  return "";
}

void print(const std::vector<Finding>& findings) {
  Table table({"recovered, %", "dot", "distance", "L1", "adaptive", "16 bits", "8 bits", "gain", "published best",
               "published adaptive", "error: dot", "distance", "L1", "adaptive"});
  for (const Finding& finding : findings) {
    const Contest& contest = finding.contest;
    table.add({finding.corruption + ' ' + decimal(finding.severity / 100.0, 1), percent(contest.dot.accuracy, 1),
               percent(contest.squared_distance.accuracy, 1), percent(contest.manhattan.accuracy, 1),
               percent(contest.adaptive.accuracy, 1), percent(finding.bits16, 1), percent(finding.bits8, 1),
               percent(contest.gain(), 1), published_text(finding, &Published::best_fixed),
               published_text(finding, &Published::adaptive), decimal(contest.dot.error, 3),
               decimal(contest.squared_distance.error, 3), decimal(contest.manhattan.error, 3),
               decimal(contest.adaptive.error, 3)});
  }
  table.print(std::cout);
  std::cout << "16 and 8 bits: adaptive from rounded terms. Gain: over the better of dot and squared distance. Error: "
               "mean |y − ξ|²/d of one step, β of the fixed "
               "similarities tuned.\n\n";
}

void print(const std::vector<AblationFinding>& findings) {
  Table table({"mixed 0.4", "recovered, %", "published"});
  for (const AblationFinding& finding : findings)
    table.add({finding.name, percent(finding.accuracy, 1), finding.published ? percent(*finding.published, 1) : ""});
  table.print(std::cout);
  std::cout << "The first four fitted by Adam as published, 200 epochs at rate 0.1.\n";
}

Record to_record(const Finding& finding) {
  const Contest& contest = finding.contest;
  return {{"corruption", finding.corruption},
          {"severity", finding.severity / 100.0},
          {"dot", contest.dot.accuracy},
          {"squared_distance", contest.squared_distance.accuracy},
          {"manhattan", contest.manhattan.accuracy},
          {"adaptive", contest.adaptive.accuracy},
          {"bits16", finding.bits16},
          {"bits8", finding.bits8},
          {"gain", contest.gain()},
          {"dot_error", contest.dot.error},
          {"squared_distance_error", contest.squared_distance.error},
          {"manhattan_error", contest.manhattan.error},
          {"adaptive_error", contest.adaptive.error},
          {"fit_epochs", std::int64_t{finding.fit_epochs}}};
}

Record to_record(const AblationFinding& finding) {
  return {{"case", finding.name},
          {"published", finding.published ? Value{*finding.published} : Value{}},
          {"accuracy", finding.accuracy}};
}

template <class T>
std::vector<Record> to_records(const std::vector<T>& findings) {
  std::vector<Record> records;
  for (const T& finding : findings) records.push_back(to_record(finding));
  return records;
}

void write_files(const Job& job, const std::vector<Finding>& findings, const std::vector<AblationFinding>& ablation) {
  Record context = job.run.context();
  context.insert(context.end(), {{"dimension", job.dimension},
                                 {"patterns", job.patterns},
                                 {"fitted", job.fitted},
                                 {"queries", job.queries},
                                 {"ablation_fitted", job.ablation_fitted},
                                 {"spread", double{job.spread}}});
  const std::vector<Record> rows = to_records(findings);
  const std::vector<Record> parts = to_records(ablation);
  write_csv(job.run.file("adaptive-retrieval.csv"), rows);
  write_csv(job.run.file("adaptive-retrieval-ablation.csv"), parts);
  write_json(job.run.file("adaptive-retrieval.json"), context, {{"rows", rows}, {"ablation", parts}});
}

void run(const Job& job) {
  const Device device = job.run.chosen_device();
  const Matrix<float> patterns = normal_patterns(job);
  const int ablation_stages = job.no_ablation ? 0 : static_cast<int>(ablation_cases.size()) + 3;
  ProgressLine progress(static_cast<int>(corruptions.size() * job.severities.size()) + ablation_stages,
                        job.run.progress);
  std::vector<Finding> findings;
  for (const Corruption& corruption : corruptions)
    for (const int severity : job.severities) {
      progress.next_stage(corruption.name + ' ' + decimal(severity / 100.0, 1));
      findings.push_back(study(job, device, patterns, corruption, severity));
    }
  std::vector<AblationFinding> ablation;
  if (!job.no_ablation) {
    ablation = study_parts(job, device, patterns, progress);
    for (AblationFinding& finding : study_bases(job, device, patterns, progress))
      ablation.push_back(std::move(finding));
  }
  progress.clear();
  std::cout << job.patterns << " standard normal patterns, d = " << job.dimension << ", spread "
            << decimal(double{job.spread}, 2) << ", fitted to " << grouped(static_cast<double>(job.fitted))
            << " variants, asked " << grouped(static_cast<double>(job.queries)) << " others\n\n";
  print(findings);
  if (!ablation.empty()) print(ablation);
  write_files(job, findings, ablation);
}

}  // namespace
}  // namespace attractor::bench

int main(int argc, char** argv) {
  return attractor::bench::run_job(argc, argv, attractor::bench::Job{}, attractor::bench::parse, attractor::bench::run);
}
