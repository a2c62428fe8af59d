#pragma once

/// Bad input is refused, and the error says what is bad.

#include <functional>
#include <initializer_list>
#include <string>

namespace attractor::test {

/// Expects InvalidArgument with a message that has all of these words and numbers.
void expect_invalid(const std::function<void()>& call, std::initializer_list<std::string> words);

}  // namespace attractor::test
