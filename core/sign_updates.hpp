#pragma once

/// What the engines ask of updates that take signs.

#include <type_traits>
#include <variant>

#include <attractor/halting.hpp>
#include <attractor/update.hpp>

namespace attractor::detail {

template <class UpdateRule>
inline constexpr bool is_sign_update =
    std::is_same_v<UpdateRule, SignUpdate> || std::is_same_v<UpdateRule, AsynchronousSignUpdate>;

/// Whether an update leaves states of ±1, or 0.
inline bool makes_signs(const Update& update) {
  return std::visit([](const auto& rule) { return is_sign_update<std::decay_t<decltype(rule)>>; }, update);
}

/// Whether states are watched for a return to the last but one. Those of a sweep never return, and the three values of
/// AtZero::zero can't be told from which neurons have changed, which is all that some engines keep.
inline bool watches_cycles(const Update& update, const Halting& halting) {
  const auto* const sign = std::get_if<SignUpdate>(&update);
  return sign != nullptr && sign->at_zero != AtZero::zero && halting.watch == Halting::Watch::state;
}

}  // namespace attractor::detail
