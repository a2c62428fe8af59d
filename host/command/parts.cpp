#include "host/command/command.hpp"

#include <attractor/version.hpp>

namespace attractor::command {

void add_parts(CLI::App& app, int& exit) {
  app.name("attractor");
  app.description("Associative memories in files: make them, relax queries on them, retrieve their patterns.");
  app.set_version_flag("--version", ATTRACTOR_VERSION);
  app.require_subcommand(1);
  app.footer("Ends with 0, or 1 where something failed, 2 where it was called wrongly, 130 where it was interrupted.");
  add_make(app, exit);
  add_fit(app, exit);
  add_info(app, exit);
  add_relax(app, exit);
  add_retrieve(app, exit);
  add_nearest(app, exit);
}

}  // namespace attractor::command
