#pragma once

/// What describes the command to other programs, all of it taken from its own options.

#include <string>
#include <vector>

#include "host/command/command.hpp"

namespace attractor::command {

/// The manual page, in the macros of man(7).
std::string man_page(const CLI::App& app);

/// The completion for bash, a script that bash sources.
std::string bash_completion(const CLI::App& app);

/// The commands of `app`, in the order of its help.
std::vector<const CLI::App*> parts_of(const CLI::App& app);

/// Options with a name, as "--steps".
std::vector<const CLI::Option*> options_of(const CLI::App& part);

}  // namespace attractor::command
