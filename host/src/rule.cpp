#include "host/src/rule.hpp"

#include <string>
#include <type_traits>
#include <variant>

#include <attractor/error.hpp>

#include "host/src/rule_text.hpp"

namespace attractor::detail {
namespace {

template <class T>
void check_parameter(const Parameter& parameter, T value) {
  if constexpr (is_number<T>) {
    if (parameter.range.contains(static_cast<double>(value))) return;
    const std::string_view label = parameter.label.empty() ? parameter.name : parameter.label;
    throw InvalidArgument(std::string("the ")
                              .append(label)
                              .append(" is ")
                              .append(to_text(value))
                              .append("; it must be ")
                              .append(parameter.range.words));
  } else {
    to_text(value);  // Has one.
  }
}

/// The parameters of what is chosen, and of choices among them.
template <class... Kinds>
void check_choice(const std::variant<Kinds...>& choice) {
  std::visit(
      [](const auto& kind) {
        TraitsOf<decltype(kind)>::visit_parameters(kind, [](const Parameter& parameter, const auto& value) {
          if constexpr (is_choice<std::remove_cvref_t<decltype(value)>>)
            check_choice(value);
          else
            check_parameter(parameter, value);
        });
      },
      choice);
}

}  // namespace

void check_parameters(const Rule& rule) { check_choice(rule); }

std::string describe(const Rule& rule) {
  return std::visit(
      [](const auto& kind) {
        using Traits = TraitsOf<decltype(kind)>;
        std::string list;
        Traits::visit_parameters(kind, [&](const Parameter& parameter, auto value) {
          list.append(list.empty() ? "" : ", ").append(parameter.name).append(" = ").append(to_text(value));
        });
        return std::string(Traits::name).append("(").append(list).append(")");
      },
      rule);
}

}  // namespace attractor::detail
