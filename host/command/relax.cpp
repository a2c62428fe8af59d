#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "host/command/batch.hpp"

namespace attractor::command {
namespace {

enum class UpdateName : unsigned char { automatic, tanh, sign, asynchronous, readout, blend };
enum class HaltingName : unsigned char { automatic, energy, state, fixed };
enum class StateFormat : unsigned char { float32, float16, int8, bits };

const std::map<std::string, UpdateName> updates = {
    {"default", UpdateName::automatic},         {"tanh", UpdateName::tanh},       {"sign", UpdateName::sign},
    {"asynchronous", UpdateName::asynchronous}, {"readout", UpdateName::readout}, {"blend", UpdateName::blend}};
const std::map<std::string, HaltingName> haltings = {{"default", HaltingName::automatic},
                                                     {"energy", HaltingName::energy},
                                                     {"state", HaltingName::state},
                                                     {"fixed", HaltingName::fixed}};
const std::map<std::string, StateFormat> formats = {{"float32", StateFormat::float32},
                                                    {"float16", StateFormat::float16},
                                                    {"int8", StateFormat::int8},
                                                    {"bits", StateFormat::bits}};

ElementType type_of(StateFormat format) {
  switch (format) {
    case StateFormat::float32: return ElementType::float32;
    case StateFormat::float16: return ElementType::float16;
    case StateFormat::int8: return ElementType::int8;
    case StateFormat::bits: return ElementType::uint8;
  }
  return ElementType::float32;
}

/// "tanh" and so on, by the value.
template <class Value>
std::string name_of(const std::map<std::string, Value>& names, Value value) {
  for (const auto& [name, named] : names)
    if (named == value) return name;
  return {};
}

struct RelaxOptions {
  BatchOptions batch;
  std::string states;
  std::string steps;
  std::string energies;
  std::string status;
  std::string contents;
  StateFormat format = StateFormat::float32;
  UpdateName update = UpdateName::automatic;
  float gain = 0.5F;
  float rate = 0.5F;
  std::optional<std::uint64_t> seed;
  HaltingName halting = HaltingName::automatic;
  float absolute = 0.0F;
  float relative = 1e-4F;
  float tolerance = 0.0F;
  int patience = 1;
  int max_steps = 100;
  std::vector<float> betas;
};

std::optional<Update> update_of(const RelaxOptions& options) {
  switch (options.update) {
    case UpdateName::automatic: return std::nullopt;
    case UpdateName::tanh: return tanh_update(options.gain);
    case UpdateName::sign: return sign_update();
    case UpdateName::asynchronous: return asynchronous_sign_update(options.seed);
    case UpdateName::readout: return readout_update();
    case UpdateName::blend: return blend_update(options.rate);
  }
  return std::nullopt;
}

std::optional<Halting> halting_of(const RelaxOptions& options) {
  switch (options.halting) {
    case HaltingName::automatic: return std::nullopt;
    case HaltingName::energy:
      return energy_stable({.absolute = options.absolute, .relative = options.relative, .patience = options.patience});
    case HaltingName::state: return state_stable(options.tolerance, options.patience);
    case HaltingName::fixed: return fixed_steps();
  }
  return std::nullopt;
}

Json job_of(const RelaxOptions& options, const Batch& batch) {
  Json job = batch.job();
  job["outputs"] = {options.states, options.steps, options.energies, options.status, options.contents};
  job["as"] = name_of(formats, options.format);
  job["update"] = name_of(updates, options.update);
  job["gain"] = options.gain;
  job["rate"] = options.rate;
  job["seed"] = options.seed ? Json(*options.seed) : Json();
  job["halting"] = name_of(haltings, options.halting);
  job["tolerances"] = {options.absolute, options.relative, options.tolerance, options.patience};
  job["max_steps"] = options.max_steps;
  job["betas"] = options.betas;
  return job;
}

/// The outputs that were asked for, and what rows of them take.
class Outputs {
 public:
  Outputs(const RelaxOptions& options, const Batch& batch, Run& run)
      : options_(options),
        batch_(batch),
        dimension_(batch.memory().dimension()),
        run_(run),
        states_(add(options.states, type_of(options.format),
                    options.format == StateFormat::bits ? bytes_of_bits(dimension_) : dimension_)),
        steps_(add(options.steps, ElementType::int32, 0)),
        energies_(add(options.energies, ElementType::float32, 0)),
        status_(add(options.status, ElementType::uint8, 0)),
        contents_(add(options.contents, ElementType::float32, batch.memory().content_dimension())) {}

  [[nodiscard]] Index row_bytes() const { return row_bytes_; }

  /// Where the results of a chunk go; what is no output goes to where totals are taken from.
  RelaxationView view(const Chunk& chunk) {
    RelaxationView view;
    view.states = states(chunk);
    const auto count = static_cast<std::size_t>(chunk.count);
    own_steps_.resize(count);
    own_status_.resize(count);
    view.steps = own_steps_;
    view.status = own_status_;
    if (energies_ != nullptr) view.energies = {energies_->elements<float>().data + chunk.first, count};
    if (contents_ != nullptr) view.contents = contents_->results().slice(chunk.first, chunk.count);
    return view;
  }

  /// Copies what was kept apart to the outputs, and adds it to the totals.
  void take(const Chunk& chunk, Json& totals) {
    if (steps_ != nullptr)
      std::copy(own_steps_.begin(), own_steps_.end(), steps_->elements<std::int32_t>().data + chunk.first);
    if (status_ != nullptr)
      std::transform(own_status_.begin(), own_status_.end(), status_->elements<std::uint8_t>().data + chunk.first,
                     [](Status status) { return static_cast<std::uint8_t>(status); });
    totals["steps"] = totals.value("steps", Index{0}) + std::accumulate(own_steps_.begin(), own_steps_.end(), Index{0});
    Json counts = totals.value("status", Json::object());
    for (const Status status : {Status::converged, Status::max_steps, Status::diverged, Status::oscillating})
      if (const Index count = std::count(own_status_.begin(), own_status_.end(), status); count > 0)
        counts[to_string(status)] = counts.value(to_string(status), Index{0}) + count;
    totals["status"] = counts;
  }

 private:
  ArrayFile* add(const std::string& name, ElementType type, Index columns) {
    if (name.empty()) return nullptr;
    ArrayFile& file = run_.add(batch_.place_of(name), type, batch_.rows(), columns);
    row_bytes_ += file.columns() * Index{sizeof(float)};
    return &file;
  }

  ResultView states(const Chunk& chunk) {
    if (options_.format == StateFormat::bits) return states_->result_bits(dimension_).slice(chunk.first, chunk.count);
    return states_->results().slice(chunk.first, chunk.count);
  }

  const RelaxOptions& options_;
  const Batch& batch_;
  Index dimension_;
  Run& run_;
  Index row_bytes_ = 0;
  ArrayFile* states_;
  ArrayFile* steps_;
  ArrayFile* energies_;
  ArrayFile* status_;
  ArrayFile* contents_;
  std::vector<std::int32_t> own_steps_;
  std::vector<Status> own_status_;
};

std::string words_about(const Json& result) {
  char words[128];
  std::snprintf(words, sizeof words, "%s queries, %.3g steps on average, in %.3g s",
                grouped(result["queries"].get<Index>()).c_str(), result["mean_steps"].get<double>(),
                result["seconds"].get<double>());
  std::string text = words;
  for (const auto& [status, count] : result["status"].items())
    text += "\n  " + status + ": " + grouped(count.get<Index>());
  return text;
}

void relax(const RelaxOptions& options, int& exit) {
  const auto begin = std::chrono::steady_clock::now();
  const Interruption interruption;
  Batch batch(options.batch);
  if (!options.contents.empty() && batch.memory().content_dimension() == 0)
    throw InvalidArgument("the memory in " + options.batch.memory + " has no contents to read out");
  const Relaxer relaxer(batch.memory(), {.update = update_of(options),
                                         .halting = halting_of(options),
                                         .max_steps = options.max_steps,
                                         .energies = !options.energies.empty(),
                                         .threads = options.batch.common.threads});
  Run run(batch.place_of(options.states), job_of(options, batch), options.batch.restarts);
  Outputs outputs(options, batch, run);
  const bool done = batch.for_each_chunk(run, outputs.row_bytes(), interruption, [&](const Chunk& chunk, Json& totals) {
    relaxer.relax(chunk.queries, outputs.view(chunk),
                  {.betas = options.betas, .progress = chunk.progress, .stop = chunk.stop});
    outputs.take(chunk, totals);
  });
  if (!done) {
    exit = interruption.exit_code();
    return;
  }
  run.complete();
  const double rows = static_cast<double>(std::max(batch.rows(), Index{1}));
  const Json result = {{"queries", batch.rows()},
                       {"mean_steps", static_cast<double>(run.totals().value("steps", Index{0})) / rows},
                       {"status", run.totals().value("status", Json::object())},
                       {"seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()},
                       {"device", batch.memory().device().description()}};
  report(options.batch.common, result, words_about(result));
}

}  // namespace

void add_relax(CLI::App& app, int& exit) {
  auto options = std::make_shared<RelaxOptions>();
  CLI::App* const part = app.add_subcommand("relax", "relax queries, each until its own energy stabilises");
  add_batch(*part, options->batch);
  part->add_option("-o,--states", options->states, "the .npy file of the states [B × D]")->required();
  part->add_option("--steps", options->steps, "a .npy file of the steps taken, int32 [B]");
  part->add_option("--energies", options->energies, "a .npy file of the states' energies, float32 [B]");
  part->add_option("--status", options->status,
                   "a .npy file of how queries ended, uint8 [B]: 0 converged, 1 max_steps, 2 diverged, 4 oscillating");
  part->add_option("--contents", options->contents, "a .npy file of the contents read out, float32 [B × M]");
  part->add_option("--as", options->format, "what states are written as")
      ->transform(CLI::CheckedTransformer(formats))
      ->option_text("float32, float16, int8 or bits [float32]");
  part->add_option("--update", options->update, "how a state follows its readout")
      ->transform(CLI::CheckedTransformer(updates))
      ->option_text("tanh, sign, asynchronous, readout or blend [the memory's own]");
  part->add_option("--gain", options->gain, "of tanh")->capture_default_str();
  part->add_option("--rate", options->rate, "of blend")->capture_default_str();
  part->add_option("--seed", options->seed, "of the order of asynchronous updates; without: as neurons are numbered");
  part->add_option("--halting", options->halting, "what must be stable for a query to halt")
      ->transform(CLI::CheckedTransformer(haltings))
      ->option_text("energy, state or fixed [by update and memory]");
  part->add_option("--absolute", options->absolute, "tolerance of energy, in its units")->capture_default_str();
  part->add_option("--relative", options->relative, "the same, of its magnitude")->capture_default_str();
  part->add_option("--tolerance", options->tolerance, "of state")->capture_default_str();
  part->add_option("--patience", options->patience, "steps that it must be stable for")->capture_default_str();
  part->add_option("--max-steps", options->max_steps, "at most; exactly with fixed")->capture_default_str();
  part->add_option("--beta", options->betas, "inverse temperatures of the steps, of which the last holds");
  part->callback([options, &exit] { relax(*options, exit); });
}

}  // namespace attractor::command
