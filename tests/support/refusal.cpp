#include "tests/support/refusal.hpp"

#include <gtest/gtest.h>

#include <attractor/error.hpp>

namespace attractor::test {

void expect_invalid(const std::function<void()>& call, std::initializer_list<std::string> words) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected an error about " << *words.begin();
  } catch (const InvalidArgument& error) {
    for (const std::string& word : words)
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos)
          << "\"" << error.what() << "\" lacks \"" << word << "\"";
  }
}

}  // namespace attractor::test
