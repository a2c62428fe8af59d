/// The command `attractor`.

#include <cstdio>
#include <exception>
#include <new>

#include "host/command/command.hpp"

namespace attractor::command {
namespace {

int run(int count, char** words) {
  CLI::App app;
  int exit = success;
  add_parts(app, exit);
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? success : wrong_usage;
  }
  return exit;
}

}  // namespace
}  // namespace attractor::command

int main(int count, char** words) {
  try {
    return attractor::command::run(count, words);
  } catch (const attractor::InvalidArgument& error) {
    std::fprintf(stderr, "attractor: %s\n", error.what());
    return attractor::command::wrong_usage;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "attractor: there is not enough memory\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "attractor: %s\n", error.what());
  }
  return attractor::command::failure;
}
