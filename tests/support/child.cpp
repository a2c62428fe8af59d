#include "tests/support/child.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <iostream>

namespace attractor::test {
namespace {

constexpr unsigned patience_seconds = 60;

bool attempt(const std::function<bool()>& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    std::cerr << "in the child: " << error.what() << '\n' << std::flush;
    return false;
  }
}

}  // namespace

testing::AssertionResult succeeds_in_child(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child < 0) return testing::AssertionFailure() << "fork: " << std::strerror(errno);
  if (child == 0) {
    alarm(patience_seconds);
    _exit(attempt(work) ? 0 : 1);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) return testing::AssertionFailure() << "waitpid: " << std::strerror(errno);
  if (WIFSIGNALED(status)) return testing::AssertionFailure() << "the child got signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) != 0) return testing::AssertionFailure() << "the child gave " << WEXITSTATUS(status);
  return testing::AssertionSuccess();
}

}  // namespace attractor::test
