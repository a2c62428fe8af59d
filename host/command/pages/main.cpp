/// attractor_pages man|bash: prints the manual page, or the completion for bash.

#include <cstdio>
#include <exception>
#include <string_view>

#include "host/command/pages/pages.hpp"

namespace attractor::command {

std::vector<const CLI::App*> parts_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<const CLI::Option*> options_of(const CLI::App& part) {
  return part.get_options([](const CLI::Option* option) { return option->nonpositional(); });
}

namespace {

int print(std::string_view page) {
  CLI::App app;
  int exit = success;
  add_parts(app, exit);
  if (page == "man") {
    std::fputs(man_page(app).c_str(), stdout);
  } else if (page == "bash") {
    std::fputs(bash_completion(app).c_str(), stdout);
  } else {
    std::fputs("attractor_pages man|bash\n", stderr);
    return wrong_usage;
  }
  return std::fflush(stdout) == 0 ? success : failure;
}

}  // namespace
}  // namespace attractor::command

int main(int count, char** words) {
  try {
    return attractor::command::print(count == 2 ? words[1] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "attractor_pages: %s\n", error.what());
    return attractor::command::failure;
  }
}
