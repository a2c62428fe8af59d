#pragma once

/// What the engines ask of updates that take signs.

#include <variant>

#include <attractor/halting.hpp>
#include <attractor/update.hpp>

namespace attractor::detail {

/// Whether an update leaves states of ±1, or 0.
inline bool makes_signs(const Update& update) {
  return std::holds_alternative<SignUpdate>(update) || std::holds_alternative<AsynchronousSignUpdate>(update);
}

/// Whether states are watched for a return to the last but one. Those of a sweep never return, and the three values of
/// AtZero::zero can't be told from which neurons have changed, which is all that some engines keep.
inline bool watches_cycles(const Update& update, const Halting& halting) {
  const auto* const sign = std::get_if<SignUpdate>(&update);
  return sign != nullptr && sign->at_zero != AtZero::zero && halting.watch == Halting::Watch::state;
}

}  // namespace attractor::detail
