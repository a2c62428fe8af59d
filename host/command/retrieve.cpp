#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "host/command/batch.hpp"

namespace attractor::command {
namespace {

/// Those of `retrieve` and of `nearest`.
struct RankingOptions {
  BatchOptions batch;
  std::string patterns;
  std::string values;  ///< posteriors or overlaps
  Index count = 1;
  std::optional<float> beta;
};

/// Finds the patterns of some queries and what belongs to them.
using Ranking = std::function<std::pair<std::vector<Index>, std::vector<float>>(const Memory&, const QueryView&)>;

void rank(const RankingOptions& options, const char* kind, const Ranking& ranking, int& exit) {
  const auto begin = std::chrono::steady_clock::now();
  const Interruption interruption;
  Batch batch(options.batch);
  Json job = batch.job();
  job["kind"] = kind;
  job["outputs"] = {options.patterns, options.values};
  job["count"] = options.count;
  job["beta"] = options.beta ? Json(*options.beta) : Json();
  // Before files are made for it.
  static_cast<void>(ranking(batch.memory(), Matrix<float>(0, batch.memory().dimension())));
  Run run(batch.place_of(options.patterns), job, options.batch.restarts);
  ArrayFile& patterns = run.add(batch.place_of(options.patterns), ElementType::int64, batch.rows(), options.count);
  ArrayFile* const values = options.values.empty() ? nullptr
                                                   : &run.add(batch.place_of(options.values), ElementType::float32,
                                                              batch.rows(), options.count);
  const bool done =
      batch.for_each_chunk(run, options.count * Index{sizeof(Index) + sizeof(float)}, interruption,
                           [&](const Chunk& chunk, Json& /*totals*/) {
                             const auto [found, weights] = ranking(batch.memory(), chunk.queries);
                             std::copy(found.begin(), found.end(), patterns.elements<Index>().row(chunk.first));
                             if (values != nullptr)
                               std::copy(weights.begin(), weights.end(), values->elements<float>().row(chunk.first));
                           });
  if (!done) {
    exit = interruption.exit_code();
    return;
  }
  run.complete();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  char words[64];
  std::snprintf(words, sizeof words, " queries in %.3g s", seconds);
  report(options.batch.common,
         {{"queries", batch.rows()},
          {"count", options.count},
          {"seconds", seconds},
          {"device", batch.memory().device().description()}},
         grouped(batch.rows()) + words);
}

CLI::App* add_ranking(CLI::App& app, RankingOptions& options, const char* name, const char* description) {
  CLI::App* const part = app.add_subcommand(name, description);
  add_batch(*part, options.batch);
  part->add_option("-k,--count", options.count, "patterns of each query")->capture_default_str();
  part->add_option("-o,--patterns", options.patterns,
                   "the .npy file of their numbers, the best first, int64 [B × k]; −1 where there is none")
      ->required();
  return part;
}

}  // namespace

void add_retrieve(CLI::App& app, int& exit) {
  auto options = std::make_shared<RankingOptions>();
  CLI::App* const part = add_ranking(app, *options, "retrieve", "find the patterns that queries most likely come from");
  part->add_option("--posteriors", options->values, "a .npy file of their posteriors, float32 [B × k]");
  part->add_option("--beta", options->beta, "inverse temperature in place of the memory's own");
  part->callback([options, &exit] {
    rank(
        *options, "retrieve",
        [&](const Memory& memory, const QueryView& queries) {
          Retrieval found = retrieve(memory, queries,
                                     {.count = options->count,
                                      .beta = options->beta,
                                      .posteriors = !options->values.empty(),
                                      .threads = options->batch.common.threads});
          return std::pair(std::move(found.pattern), std::move(found.posterior));
        },
        exit);
  });
}

void add_nearest(CLI::App& app, int& exit) {
  auto options = std::make_shared<RankingOptions>();
  CLI::App* const part = add_ranking(app, *options, "nearest", "find the patterns that states are nearest to");
  part->add_option("--overlaps", options->values, "a .npy file of their overlaps, float32 [B × k]");
  part->callback([options, &exit] {
    rank(
        *options, "nearest",
        [&](const Memory& memory, const QueryView& states) {
          Nearest found = nearest(memory, states, {.count = options->count, .threads = options->batch.common.threads});
          return std::pair(std::move(found.pattern), std::move(found.overlap));
        },
        exit);
  });
}

}  // namespace attractor::command
