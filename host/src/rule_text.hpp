#pragma once

/// Values of a rule's parameters as text, and back.

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <attractor/error.hpp>
#include <attractor/memory.hpp>

#include "host/src/rule.hpp"

namespace attractor::detail {

/// The values of an enumeration, or of bool, by name.
template <class T>
struct ValueNames;

template <>
struct ValueNames<bool> {
  static constexpr std::array<std::pair<std::string_view, bool>, 2> names = {{{"false", false}, {"true", true}}};
};
template <>
struct ValueNames<Evaluation> {
  static constexpr std::array<std::pair<std::string_view, Evaluation>, 3> names = {
      {{"automatic", Evaluation::automatic}, {"factored", Evaluation::factored}, {"dense", Evaluation::dense}}};
};
template <>
struct ValueNames<Placement> {
  static constexpr std::array<std::pair<std::string_view, Placement>, 3> names = {
      {{"automatic", Placement::automatic}, {"resident", Placement::resident}, {"streamed", Placement::streamed}}};
};
template <>
struct ValueNames<Similarity> {
  static constexpr std::array<std::pair<std::string_view, Similarity>, 4> names = {
      {{"dot", Similarity::dot},
       {"squared_distance", Similarity::squared_distance},
       {"manhattan", Similarity::manhattan},
       {"cosine", Similarity::cosine}}};
};
template <>
struct ValueNames<PatternStorage> {
  static constexpr std::array<std::pair<std::string_view, PatternStorage>, 3> names = {
      {{"float32", PatternStorage::float32},
       {"float16", PatternStorage::float16},
       {"bfloat16", PatternStorage::bfloat16}}};
};
template <>
struct ValueNames<ProductPrecision> {
  static constexpr std::array<std::pair<std::string_view, ProductPrecision>, 2> names = {
      {{"full", ProductPrecision::full}, {"fast", ProductPrecision::fast}}};
};
template <>
struct ValueNames<TermPrecision> {
  static constexpr std::array<std::pair<std::string_view, TermPrecision>, 3> names = {
      {{"full", TermPrecision::full}, {"bits16", TermPrecision::bits16}, {"bits8", TermPrecision::bits8}}};
};

/// Whether T is a variant: one of several kinds, each with parameters of its own.
template <class T>
inline constexpr bool is_choice = false;
template <class... Kinds>
inline constexpr bool is_choice<std::variant<Kinds...>> = true;

template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

/// The name of a value; of a number the shortest decimal that reads back as the same one.
template <class T>
std::string to_text(T value) {
  if constexpr (is_number<T>) {
    std::array<char, 32> digits{};
    return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
  } else {
    for (const auto& [text, named] : ValueNames<T>::names)
      if (named == value) return std::string(text);
    const std::string number = std::to_string(static_cast<int>(value));
    throw InvalidArgument("an option of the memory has a value without a name: " + number);
  }
}

/// Nothing if the text is no value of T.
template <class T>
std::optional<T> from_text(std::string_view text) {
  if constexpr (is_number<T>) {
    T result{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return result;
  } else {
    for (const auto& [name, value] : ValueNames<T>::names)
      if (name == text) return value;
    return std::nullopt;
  }
}

/// A choice with its parameters, as "entmax(1.5)"; without any, as "softmax".
template <class... Kinds>
std::string to_text(const std::variant<Kinds...>& choice) {
  return std::visit(
      [](const auto& kind) {
        std::string list;
        TraitsOf<decltype(kind)>::visit_parameters(kind, [&](const Parameter& /*parameter*/, auto value) {
          list.append(list.empty() ? "(" : ", ").append(to_text(value));
        });
        return std::string(TraitsOf<decltype(kind)>::name).append(list).append(list.empty() ? "" : ")");
      },
      choice);
}

/// The part of a list up to the next comma, which is taken off it with that.
inline std::string_view take_item(std::string_view& list) {
  const std::size_t end = std::min(list.find(", "), list.size());
  const std::string_view item = list.substr(0, end);
  list.remove_prefix(std::min(end + 2, list.size()));
  return item;
}

/// The kind, if the text is its name and parameters.
template <class Kind>
std::optional<Kind> parse_choice(std::string_view text) {
  const std::size_t name_end = std::min(text.find('('), text.size());
  if (text.substr(0, name_end) != RuleTraits<Kind>::name) return std::nullopt;
  const bool has_list = name_end < text.size();
  if (has_list && text.back() != ')') return std::nullopt;
  std::string_view list = has_list ? text.substr(name_end + 1, text.size() - name_end - 2) : std::string_view();
  Kind kind;
  bool understood = true;
  RuleTraits<Kind>::visit_parameters(kind, [&](const Parameter& /*parameter*/, auto& member) {
    const auto value = from_text<std::remove_reference_t<decltype(member)>>(take_item(list));
    understood = understood && value.has_value();
    if (value) member = *value;
  });
  // What is left over, or an empty list where there should be none.
  if (!understood || text != to_text(std::variant<Kind>(kind))) return std::nullopt;
  return kind;
}

/// Reads a choice into `choice`; false if the text is none.
template <class... Kinds>
bool parse_choice_into(std::string_view text, std::variant<Kinds...>& choice) {
  const auto take = [&](const auto& parsed) {
    if (parsed) choice = *parsed;
    return parsed.has_value();
  };
  return (take(parse_choice<Kinds>(text)) || ...);
}

/// Reads a parameter's value; false if the text is no value of that type.
template <class Member>
bool parse_into(std::string_view text, Member& member) {
  if constexpr (is_choice<Member>) {
    return parse_choice_into(text, member);
  } else {
    const auto parsed = from_text<Member>(text);
    if (parsed) member = *parsed;
    return parsed.has_value();
  }
}

}  // namespace attractor::detail
