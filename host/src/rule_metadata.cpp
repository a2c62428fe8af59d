#include "host/src/rule_metadata.hpp"

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include <attractor/error.hpp>

#include "host/src/rule_text.hpp"

namespace attractor::detail {
namespace {

constexpr const char* format_name = "attractor memory";
constexpr const char* format_version = "1";

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

template <class Kind>
Kind parse_parameters(const Metadata& metadata) {
  Kind rule;
  RuleTraits<Kind>::visit_parameters(rule, [&](const Parameter& parameter, auto& member) {
    const std::string key(parameter.name);
    if (!parameter.in_all_files && !metadata.contains(key)) return;
    if (!parse_into(value(metadata, key), member)) throw_meaningless(metadata, key);
  });
  return rule;
}

/// The rule if it is of one of the kinds from the n-th on.
template <std::size_t n = 0>
std::optional<Rule> parse_kind(const Metadata& metadata, std::string_view name) {
  if constexpr (n < std::variant_size_v<Rule>) {
    using Kind = std::variant_alternative_t<n, Rule>;
    if (name == RuleTraits<Kind>::name) return parse_parameters<Kind>(metadata);
    return parse_kind<n + 1>(metadata, name);
  } else {
    return std::nullopt;
  }
}

}  // namespace

Metadata to_metadata(const Rule& rule) {
  Metadata metadata = {{"format", format_name}, {"version", format_version}};
  std::visit(
      [&](const auto& kind) {
        using Traits = TraitsOf<decltype(kind)>;
        metadata.emplace("rule", Traits::name);
        Traits::visit_parameters(
            kind, [&](const Parameter& parameter, auto member) { metadata.emplace(parameter.name, to_text(member)); });
      },
      rule);
  return metadata;
}

Rule parse_rule(const Metadata& metadata) {
  if (value(metadata, "format") != format_name) throw_meaningless(metadata, "format");
  if (value(metadata, "version") != format_version) throw_meaningless(metadata, "version");
  const std::optional<Rule> rule = parse_kind(metadata, value(metadata, "rule"));
  if (!rule) throw_meaningless(metadata, "rule");
  return *rule;
}

}  // namespace attractor::detail
