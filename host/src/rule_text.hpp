#pragma once

/// Values of a rule's parameters as text, and back.

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <attractor/error.hpp>
#include <attractor/memory.hpp>

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
struct ValueNames<TermPrecision> {
  static constexpr std::array<std::pair<std::string_view, TermPrecision>, 3> names = {
      {{"full", TermPrecision::full}, {"bits16", TermPrecision::bits16}, {"bits8", TermPrecision::bits8}}};
};

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
    throw InvalidArgument("an option of the memory has no name");
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

}  // namespace attractor::detail
