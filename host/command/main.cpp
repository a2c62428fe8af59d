/// The command `attractor`.

#include <cstdio>
#include <exception>
#include <new>

#include "host/command/command.hpp"

#include <attractor/version.hpp>

namespace attractor::command {
namespace {

int run(int count, char** words) {
  CLI::App app("Associative memories in files: make them, relax queries on them, retrieve their patterns.",
               "attractor");
  app.set_version_flag("--version", ATTRACTOR_VERSION);
  app.require_subcommand(1);
  app.footer("Ends with 0, or 1 where something failed, 2 where it was called wrongly, 130 where it was interrupted.");
  int exit = success;
  add_make(app, exit);
  add_fit(app, exit);
  add_info(app, exit);
  add_relax(app, exit);
  add_retrieve(app, exit);
  add_nearest(app, exit);
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
