#include <map>
#include <memory>
#include <string>

#include "host/command/command.hpp"
#include "host/command/interruption.hpp"

namespace attractor::command {
namespace {

struct FitCommandOptions {
  Common common;
  std::string patterns;
  std::string output;
  VariantOptions corruption;
  std::string queries;
  std::string origins;
  Index count = 1000;
  FitOptions fit;
};

const std::map<std::string, Variant> variants = {
    {"noisy", Variant::noisy}, {"masked", Variant::masked}, {"biased", Variant::biased}, {"mixed", Variant::mixed}};

std::vector<Index> read_origins(const std::string& path) {
  ArrayFile file(path);
  if (file.dimensions() != 1 || (file.type() != ElementType::int64 && file.type() != ElementType::int32))
    throw InvalidArgument(path + " must have one dimension of int64 or int32: the pattern of each query");
  const Matrix<float> values = file.floats();
  return {values.data(), values.data() + values.size()};
}

Fit fit(const FitCommandOptions& options, const Device& device, MatrixView<const float> patterns) {
  if (options.queries.empty()) return fit_similarity(device, patterns, options.corruption, options.count, options.fit);
  return fit_similarity(device, patterns, ArrayFile(options.queries).floats(), read_origins(options.origins),
                        options.fit);
}

void fit_and_save(FitCommandOptions& options, int& exit) {
  const Interruption interruption;
  const Device device = Device::named(options.common.device);
  const Matrix<float> patterns = ArrayFile(options.patterns).floats();
  options.fit.threads = options.common.threads;
  options.fit.stop = interruption.token();
  const Fit fitted = fit(options, device, patterns);
  save(Memory::adaptive(device, patterns, fitted.similarity), options.output);
  const FitProgress& last = fitted.history.back();
  const Json result = {{"epochs", last.epoch}, {"loss", last.loss}, {"converged", fitted.converged}};
  char words[128];
  std::snprintf(words, sizeof words, "%d epochs, a loss of %.4g nats, %s", last.epoch, last.loss,
                fitted.converged ? "converged" : "not converged");
  report(options.common, result, std::string(words) + "\nsaved as " + options.output);
  exit = interruption.exit_code();
}

}  // namespace

void add_fit(CLI::App& app, int& exit) {
  auto options = std::make_shared<FitCommandOptions>();
  CLI::App* const part = app.add_subcommand("fit", "make an adaptive memory, fitted to how queries are corrupted");
  part->add_option("--patterns", options->patterns, "a .npy file [P × D]")->required();
  part->add_option("--variant", options->corruption.variant, "how variants are made")
      ->transform(CLI::CheckedTransformer(variants))
      ->option_text("noisy, masked, biased or mixed [mixed]");
  part->add_option("--severity", options->corruption.severity, "of the variants")->capture_default_str();
  part->add_option("--count", options->count, "of the variants")->capture_default_str();
  CLI::Option* const queries =
      part->add_option("--queries", options->queries, "a .npy file [B × D] of real ones, instead of variants");
  CLI::Option* const origins = part->add_option("--origins", options->origins, "a .npy file [B]: their patterns");
  queries->needs(origins);
  origins->needs(queries);
  part->add_option("--groups", options->fit.groups, "entries are ranked in so many groups")->capture_default_str();
  part->add_flag("--per-pattern", options->fit.per_pattern, "weights of each pattern");
  part->add_flag("--fit-log-prior", options->fit.log_prior, "a log-prior of each pattern");
  part->add_option("--epochs", options->fit.epochs, "at most")->capture_default_str();
  part->add_option("-o,--output", options->output, "the memory's file, in safetensors' format")->required();
  add_common(*part, options->common);
  part->callback([options, &exit] { fit_and_save(*options, exit); });
}

}  // namespace attractor::command
