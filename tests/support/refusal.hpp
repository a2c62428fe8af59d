#pragma once

/// What can't be done is refused, and the error says why.

#include <functional>
#include <initializer_list>
#include <string>

#include <gtest/gtest.h>

#include <attractor/error.hpp>

namespace attractor::test {

/// Expects an Exception with a message that has all of these words and numbers.
template <class Exception>
void expect_error(const std::function<void()>& call, std::initializer_list<std::string> words) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected an error about " << *words.begin();
  } catch (const Exception& error) {
    for (const std::string& word : words)
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos)
          << "\"" << error.what() << "\" lacks \"" << word << "\"";
  }
}

/// The same of InvalidArgument.
inline void expect_invalid(const std::function<void()>& call, std::initializer_list<std::string> words) {
  expect_error<InvalidArgument>(call, words);
}

}  // namespace attractor::test
