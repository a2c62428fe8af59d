#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <attractor/error.hpp>

#include "host/src/rule.hpp"
#include "host/src/rule_text.hpp"

namespace attractor::detail {
namespace {

using Words = std::map<std::string_view, std::string_view>;

/// Names one after another, as messages list them.
class NameList {
 public:
  void add(std::string_view name) { text_.append(text_.empty() ? "" : ", ").append(name); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

[[noreturn]] void fail(std::string_view text, const std::string& what) {
  throw InvalidArgument(std::string("the rule \"").append(text).append("\" ").append(what));
}

std::string quoted(std::string_view text) { return std::string("\"").append(text).append("\""); }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view spaces = " \t\r\n";
  const std::size_t first = text.find_first_not_of(spaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(spaces) - first + 1);
}

/// Where an item of a list ends: at the next comma that isn't inside parentheses, or with the list.
std::size_t end_of_item(std::string_view list) {
  int depth = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '(') ++depth;
    if (list[i] == ')') --depth;
    if (list[i] == ',' && depth == 0) return i;
  }
  return list.size();
}

/// The values by the names of "a = 1, b = c(2)".
Words parameters_of(std::string_view text, std::string_view list) {
  Words result;
  if (trimmed(list).empty()) return result;
  for (bool more = true; more;) {
    const std::size_t end = end_of_item(list);
    const std::string_view item = list.substr(0, end);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos)
      fail(text, "has " + quoted(trimmed(item)) + " where \"name = value\" belongs");
    const std::string_view name = trimmed(item.substr(0, equals));
    if (!result.emplace(name, trimmed(item.substr(equals + 1))).second)
      fail(text, "has the parameter " + quoted(name) + " twice");
    more = end < list.size();
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return result;
}

/// A rule of this kind with these parameters, and defaults for the others.
template <class Kind>
Kind rule_with(std::string_view text, Words words) {
  Kind rule;
  NameList known;
  RuleTraits<Kind>::visit_parameters(rule, [&](const Parameter& parameter, auto& member) {
    known.add(parameter.name);
    const auto found = words.find(parameter.name);
    if (found == words.end()) return;
    if (!parse_into(found->second, member))
      fail(text, "has " + quoted(found->second) + " for " + std::string(parameter.name) + ", which has no meaning");
    words.erase(found);
  });
  if (!words.empty())
    fail(text, "has the parameter " + quoted(words.begin()->first) +
                   (known.text().empty() ? "; it takes none" : "; known are " + known.text()));
  return rule;
}

template <std::size_t n = 0>
Rule rule_of_kind(std::string_view text, std::string_view name, const Words& words, NameList& known) {
  if constexpr (n < std::variant_size_v<Rule>) {
    using Kind = std::variant_alternative_t<n, Rule>;
    if (name == RuleTraits<Kind>::name) {
      if constexpr (std::is_same_v<Kind, AdaptiveSimilarity>)
        throw NotSupported("an adaptive memory needs weights, which words can't give: fit them, or load a memory");
      else
        return rule_with<Kind>(text, words);
    }
    known.add(RuleTraits<Kind>::name);
    return rule_of_kind<n + 1>(text, name, words, known);
  } else {
    fail(text, "is of no known kind: known are " + known.text());
  }
}

}  // namespace

Rule read_rule(std::string_view text) {
  const std::string_view whole = trimmed(text);
  const std::size_t name_end = std::min(whole.find('('), whole.size());
  const std::string_view rest = whole.substr(name_end);
  if (!rest.empty() && rest.back() != ')') fail(whole, "has no closing parenthesis at its end");
  const Words words = rest.empty() ? Words() : parameters_of(whole, rest.substr(1, rest.size() - 2));
  NameList known;
  return rule_of_kind(whole, trimmed(whole.substr(0, name_end)), words, known);
}

void set_arrays(Rule& rule, const RuleArrays& arrays) {
  const auto refuse = [&](const char* what, const std::vector<float>& values) {
    if (!values.empty())
      throw InvalidArgument("a " + std::string(name_of(rule)) + " memory has no " + what + "; " +
                            std::to_string(values.size()) + " of them were given");
  };
  std::visit(
      [&](auto& kind) {
        if constexpr (requires { kind.thresholds; })
          kind.thresholds = arrays.thresholds;
        else
          refuse("thresholds", arrays.thresholds);
        if constexpr (requires { kind.log_prior; })
          kind.log_prior = arrays.log_prior;
        else
          refuse("log-priors", arrays.log_prior);
      },
      rule);
}

}  // namespace attractor::detail
