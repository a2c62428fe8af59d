#pragma once

/// Values of enumerations by their names, as C++ spells them; those of parameters of rules are what files have.

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <attractor/error.hpp>
#include <attractor/fit.hpp>
#include <attractor/halting.hpp>
#include <attractor/similarity.hpp>
#include <attractor/update.hpp>
#include <attractor/variants.hpp>

#include "host/src/rule_text.hpp"

namespace attractor::detail {

template <>
struct ValueNames<FootprintBase> {
  static constexpr std::array<std::pair<std::string_view, FootprintBase>, 2> names = {
      {{"squared_distance", FootprintBase::squared_distance}, {"dot", FootprintBase::dot}}};
};
template <>
struct ValueNames<AtZero> {
  static constexpr std::array<std::pair<std::string_view, AtZero>, 3> names = {
      {{"keep", AtZero::keep}, {"zero", AtZero::zero}, {"plus", AtZero::plus}}};
};
template <>
struct ValueNames<Halting::Watch> {
  static constexpr std::array<std::pair<std::string_view, Halting::Watch>, 3> names = {
      {{"energy", Halting::Watch::energy}, {"state", Halting::Watch::state}, {"nothing", Halting::Watch::nothing}}};
};
template <>
struct ValueNames<Optimiser> {
  static constexpr std::array<std::pair<std::string_view, Optimiser>, 2> names = {
      {{"lbfgs", Optimiser::lbfgs}, {"adam", Optimiser::adam}}};
};
template <>
struct ValueNames<Variant> {
  static constexpr std::array<std::pair<std::string_view, Variant>, 4> names = {
      {{"noisy", Variant::noisy}, {"masked", Variant::masked}, {"biased", Variant::biased}, {"mixed", Variant::mixed}}};
};

}  // namespace attractor::detail

namespace attractor::python {

/// @throws InvalidArgument no value of that name; the message lists them all.
template <class E>
E parse(const std::string& what, std::string_view text) {
  std::string known;
  for (const auto& [name, value] : detail::ValueNames<E>::names) {
    if (name == text) return value;
    known.append(known.empty() ? "" : ", ").append(name);
  }
  throw InvalidArgument(what + " is '" + std::string(text) + "'; it must be one of " + known);
}

template <class E>
std::string_view name_of(E value) {
  for (const auto& [name, named] : detail::ValueNames<E>::names)
    if (named == value) return name;
  return "unknown";
}

}  // namespace attractor::python
