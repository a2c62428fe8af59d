#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/command/command.hpp"

namespace attractor::command {
namespace {

struct MakeOptions {
  Common common;
  std::string rule;
  std::string patterns;
  std::string contents;
  std::string thresholds;
  std::string log_prior;
  std::string output;
};

/// An array of one dimension, or nothing where there is no file.
std::vector<float> read_vector(const std::string& path) {
  if (path.empty()) return {};
  const ArrayFile file(path);
  if (file.dimensions() != 1) throw InvalidArgument(path + " has an array of two dimensions; it must have one");
  const Matrix<float> values = file.floats();
  return {values.data(), values.data() + values.size()};
}

Matrix<float> read_matrix(const std::string& path) {
  if (path.empty()) return {};
  const ArrayFile file(path);
  if (file.dimensions() != 2) throw InvalidArgument(path + " has an array of one dimension; it must have two");
  return file.floats();
}

Json about(const Memory& memory) {
  return {{"rule", memory.rule()},
          {"patterns", memory.pattern_count()},
          {"dimension", memory.dimension()},
          {"content_dimension", memory.content_dimension()},
          {"normalised", memory.is_normalised()},
          {"device", memory.device().description()}};
}

std::string words_about(const Memory& memory) {
  std::string result = grouped(memory.pattern_count()) + " patterns of " + grouped(memory.dimension()) + " neurons";
  if (memory.content_dimension() > 0)
    result += ", with contents of " + grouped(memory.content_dimension()) + " entries";
  result += "\n" + memory.rule() + "\n";
  result += memory.is_normalised() ? "weights sum to 1: relax, retrieve and nearest work on it"
                                   : "relax and nearest work on it; retrieve doesn't, for weights don't sum to 1";
  return result;
}

/// Of .npy files.
Memory make_of_arrays(const MakeOptions& options) {
  const Matrix<float> patterns = read_matrix(options.patterns);
  const Matrix<float> contents = read_matrix(options.contents);
  return Memory::make(Device::named(options.common.device), options.rule, patterns,
                      {.thresholds = read_vector(options.thresholds),
                       .log_prior = read_vector(options.log_prior),
                       .contents = options.contents.empty() ? MatrixView<const float>() : contents.view()});
}

/// The name in ":name", for a tensor of the patterns' file; empty where there is none.
std::string tensor_name(const std::string& text, const char* option) {
  if (text.empty()) return {};
  if (text.front() != ':')
    throw InvalidArgument(std::string(option) + " is " + text +
                          "; with patterns from a safetensors file it must be a tensor of that file, as :NAME");
  return text.substr(1);
}

constexpr std::string_view safetensors = ".safetensors";

/// Of the tensors of a safetensors file, "FILE.safetensors" or "FILE.safetensors:NAME".
Memory make_of_tensors(const MakeOptions& options, std::size_t path_length) {
  TensorNames names{.contents = tensor_name(options.contents, "--contents"),
                    .thresholds = tensor_name(options.thresholds, "--thresholds"),
                    .log_prior = tensor_name(options.log_prior, "--log-prior")};
  if (path_length < options.patterns.size()) names.patterns = options.patterns.substr(path_length + 1);
  return load(Device::named(options.common.device), options.patterns.substr(0, path_length), options.rule, names);
}

/// How much of it is the path of a safetensors file; 0 if it is another file's.
std::size_t safetensors_path(const std::string& text) {
  const std::size_t end = text.rfind(std::string(safetensors) + ":");
  if (end != std::string::npos) return end + safetensors.size();
  return text.ends_with(safetensors) ? text.size() : 0;
}

void make(const MakeOptions& options) {
  const std::size_t path_length = safetensors_path(options.patterns);
  const Memory memory = path_length > 0 ? make_of_tensors(options, path_length) : make_of_arrays(options);
  save(memory, options.output);
  report(options.common, about(memory), words_about(memory) + "\nsaved as " + options.output);
}

}  // namespace

void add_make(CLI::App& app, int& /*exit*/) {
  auto options = std::make_shared<MakeOptions>();
  CLI::App* const part = app.add_subcommand("make", "make a memory of patterns");
  part->add_option("--rule", options->rule,
                   "as 'projection' or 'modern_hopfield(beta = 8, separation = entmax(1.5))'; names and parameters are "
                   "those of the library")
      ->required();
  part->add_option("--patterns", options->patterns,
                   "a .npy file [P × D], or FILE.safetensors:NAME, a tensor of any such file")
      ->required();
  part->add_option(
      "--contents", options->contents,
      "a .npy file [P × M]: what is read out in place of the patterns; beside a tensor of patterns :NAME of the same "
      "file, as the next two");
  part->add_option("--thresholds", options->thresholds, "a .npy file [D]");
  part->add_option("--log-prior", options->log_prior, "a .npy file [P]");
  part->add_option("-o,--output", options->output, "the memory's file, in safetensors' format")->required();
  add_common(*part, options->common);
  part->callback([options] { make(*options); });
}

void add_info(CLI::App& app, int& /*exit*/) {
  struct InfoOptions {
    Common common;
    std::string memory;
  };
  auto options = std::make_shared<InfoOptions>();
  CLI::App* const part = app.add_subcommand("info", "say what a memory is");
  part->add_option("memory", options->memory, "the memory's file")->required();
  part->add_flag("--json", options->common.json, "print it as JSON, for machines");
  part->callback([options] {
    const Memory memory = load(Device::cpu(), options->memory);
    report(options->common, about(memory), words_about(memory));
  });
}

}  // namespace attractor::command
