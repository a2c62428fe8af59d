#pragma once

/// Values of enumerations by their names, as C++ spells them.

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <attractor/error.hpp>
#include <attractor/fit.hpp>
#include <attractor/halting.hpp>
#include <attractor/memory.hpp>
#include <attractor/similarity.hpp>
#include <attractor/update.hpp>
#include <attractor/variants.hpp>

namespace attractor::python {

template <class E>
struct ChoiceNames;

template <>
struct ChoiceNames<Evaluation> {
  static constexpr std::array<std::pair<std::string_view, Evaluation>, 3> names = {
      {{"automatic", Evaluation::automatic}, {"factored", Evaluation::factored}, {"dense", Evaluation::dense}}};
};
template <>
struct ChoiceNames<Placement> {
  static constexpr std::array<std::pair<std::string_view, Placement>, 3> names = {
      {{"automatic", Placement::automatic}, {"resident", Placement::resident}, {"streamed", Placement::streamed}}};
};
template <>
struct ChoiceNames<Similarity> {
  static constexpr std::array<std::pair<std::string_view, Similarity>, 4> names = {
      {{"dot", Similarity::dot},
       {"squared_distance", Similarity::squared_distance},
       {"manhattan", Similarity::manhattan},
       {"cosine", Similarity::cosine}}};
};
template <>
struct ChoiceNames<TermPrecision> {
  static constexpr std::array<std::pair<std::string_view, TermPrecision>, 3> names = {
      {{"full", TermPrecision::full}, {"bits16", TermPrecision::bits16}, {"bits8", TermPrecision::bits8}}};
};
template <>
struct ChoiceNames<FootprintBase> {
  static constexpr std::array<std::pair<std::string_view, FootprintBase>, 2> names = {
      {{"squared_distance", FootprintBase::squared_distance}, {"dot", FootprintBase::dot}}};
};
template <>
struct ChoiceNames<AtZero> {
  static constexpr std::array<std::pair<std::string_view, AtZero>, 3> names = {
      {{"keep", AtZero::keep}, {"zero", AtZero::zero}, {"plus", AtZero::plus}}};
};
template <>
struct ChoiceNames<Halting::Watch> {
  static constexpr std::array<std::pair<std::string_view, Halting::Watch>, 3> names = {
      {{"energy", Halting::Watch::energy}, {"state", Halting::Watch::state}, {"nothing", Halting::Watch::nothing}}};
};
template <>
struct ChoiceNames<Optimiser> {
  static constexpr std::array<std::pair<std::string_view, Optimiser>, 2> names = {
      {{"lbfgs", Optimiser::lbfgs}, {"adam", Optimiser::adam}}};
};
template <>
struct ChoiceNames<Variant> {
  static constexpr std::array<std::pair<std::string_view, Variant>, 4> names = {
      {{"noisy", Variant::noisy}, {"masked", Variant::masked}, {"biased", Variant::biased}, {"mixed", Variant::mixed}}};
};

/// @throws InvalidArgument no value of that name; the message lists them all.
template <class E>
E parse(const std::string& what, std::string_view text) {
  std::string known;
  for (const auto& [name, value] : ChoiceNames<E>::names) {
    if (name == text) return value;
    known.append(known.empty() ? "" : ", ").append(name);
  }
  throw InvalidArgument(what + " is '" + std::string(text) + "'; it must be one of " + known);
}

template <class E>
std::string_view name_of(E value) {
  for (const auto& [name, named] : ChoiceNames<E>::names)
    if (named == value) return name;
  return "unknown";
}

}  // namespace attractor::python
