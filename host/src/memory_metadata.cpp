#include "host/src/memory_metadata.hpp"

#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include <attractor/error.hpp>

namespace attractor::detail {
namespace {

constexpr const char* format_name = "attractor memory";
constexpr const char* format_version = "1";

template <class T>
using Names = std::array<std::pair<std::string_view, T>, 3>;

constexpr Names<Evaluation> evaluations = {
    {{"automatic", Evaluation::automatic}, {"factored", Evaluation::factored}, {"dense", Evaluation::dense}}};
constexpr Names<Placement> placements = {
    {{"automatic", Placement::automatic}, {"resident", Placement::resident}, {"streamed", Placement::streamed}}};
constexpr Names<TermPrecision> precisions = {
    {{"full", TermPrecision::full}, {"bits16", TermPrecision::bits16}, {"bits8", TermPrecision::bits8}}};

template <class T>
std::string name(const Names<T>& names, T value) {
  for (const auto& [text, named] : names)
    if (named == value) return std::string(text);
  throw InvalidArgument("an option of the memory has no name");
}

std::string text(bool value) { return value ? "true" : "false"; }

/// The shortest decimal that reads back as the same number.
template <class T>
std::string text(T value) {
  std::array<char, 32> digits{};
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}

struct Describe {
  Metadata operator()(const HebbianOptions& rule) const {
    return {{"rule", "hebbian"},
            {"self_coupling", text(rule.self_coupling)},
            {"centred", text(rule.centred)},
            {"evaluation", name(evaluations, rule.evaluation)},
            {"placement", name(placements, rule.placement)}};
  }
  Metadata operator()(const ProjectionOptions& rule) const {
    return {{"rule", "projection"},
            {"self_coupling", text(rule.self_coupling)},
            {"ridge", text(rule.ridge)},
            {"evaluation", name(evaluations, rule.evaluation)},
            {"placement", name(placements, rule.placement)}};
  }
  Metadata operator()(const ModernHopfieldOptions& rule) const {
    return {{"rule", "modern_hopfield"}, {"beta", text(rule.beta)}};
  }
  Metadata operator()(const AdaptiveSimilarity& rule) const {
    return {{"rule", "adaptive"},
            {"beta_squared_distance", text(rule.beta_squared_distance)},
            {"beta_dot", text(rule.beta_dot)},
            {"groups", text(rule.groups)},
            {"precision", name(precisions, rule.precision)}};
  }
};

const std::string& value(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) throw InvalidArgument("its metadata has no " + key);
  return found->second;
}

[[noreturn]] void throw_meaningless(const Metadata& metadata, const std::string& key) {
  throw InvalidArgument(std::string("its metadata has the ")
                            .append(key)
                            .append(" ")
                            .append(value(metadata, key))
                            .append(", which has no meaning"));
}

template <class T>
T parse_name(const Metadata& metadata, const std::string& key, const Names<T>& names) {
  for (const auto& [text, named] : names)
    if (value(metadata, key) == text) return named;
  throw_meaningless(metadata, key);
}

bool parse_bool(const Metadata& metadata, const std::string& key) {
  const std::string& given = value(metadata, key);
  if (given != "true" && given != "false") throw_meaningless(metadata, key);
  return given == "true";
}

template <class T>
T parse_number(const Metadata& metadata, const std::string& key) {
  const std::string& given = value(metadata, key);
  T result{};
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), result);
  if (error != std::errc() || end != given.data() + given.size()) throw_meaningless(metadata, key);
  return result;
}

}  // namespace

Metadata describe(const Rule& rule) {
  Metadata metadata = std::visit(Describe{}, rule);
  metadata.emplace("format", format_name);
  metadata.emplace("version", format_version);
  return metadata;
}

Rule parse_rule(const Metadata& metadata) {
  if (value(metadata, "format") != format_name) throw_meaningless(metadata, "format");
  if (value(metadata, "version") != format_version) throw_meaningless(metadata, "version");
  const std::string& rule = value(metadata, "rule");
  if (rule == "hebbian")
    return HebbianOptions{.self_coupling = parse_bool(metadata, "self_coupling"),
                          // Files of before there was such an option don't have it.
                          .centred = metadata.contains("centred") && parse_bool(metadata, "centred"),
                          .evaluation = parse_name(metadata, "evaluation", evaluations),
                          .placement = parse_name(metadata, "placement", placements)};
  if (rule == "projection")
    return ProjectionOptions{.self_coupling = parse_bool(metadata, "self_coupling"),
                             .ridge = parse_number<float>(metadata, "ridge"),
                             .evaluation = parse_name(metadata, "evaluation", evaluations),
                             .placement = parse_name(metadata, "placement", placements)};
  if (rule == "modern_hopfield") return ModernHopfieldOptions{.beta = parse_number<float>(metadata, "beta")};
  if (rule == "adaptive")
    return AdaptiveSimilarity{.beta_squared_distance = parse_number<float>(metadata, "beta_squared_distance"),
                              .beta_dot = parse_number<float>(metadata, "beta_dot"),
                              .groups = parse_number<Index>(metadata, "groups"),
                              .precision = parse_name(metadata, "precision", precisions)};
  throw_meaningless(metadata, "rule");
}

}  // namespace attractor::detail
