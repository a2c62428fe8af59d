#include <regex>
#include <string>
#include <vector>

#include "host/command/pages/pages.hpp"

namespace attractor::command {
namespace {

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

/// "-o" and "--output", or only the latter.
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> names_of(const CLI::App& part) {
  std::vector<std::string> names;
  for (const CLI::Option* const option : options_of(part))
    for (const std::string& name : names_of(*option)) names.push_back(name);
  return names;
}

/// The words that an option takes; none where it takes any. CLI11 tells them as part of its type alone:
/// "TEXT:value in {sign->1,tanh->0} OR {1,0}".
std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string text = option.get_type_name();
  static const std::regex choice("(\\w+)->");
  std::vector<std::string> choices;
  for (std::sregex_iterator match(text.begin(), text.end(), choice); match != std::sregex_iterator(); ++match)
    choices.push_back((*match)[1]);
  return choices;
}

std::string complete_from(const std::vector<std::string>& words) {
  return "mapfile -t COMPREPLY < <(compgen -W '" + joined(words, " ") + "' -- \"$word\")";
}

/// Branches of a `case` for the options of a part that take one of several words.
std::string choices_of(const CLI::App& part) {
  std::string text;
  for (const CLI::Option* const option : options_of(part)) {
    const std::vector<std::string> choices = choices_of(*option);
    if (choices.empty()) continue;
    std::vector<std::string> names = names_of(*option);
    for (std::string& name : names) name.insert(0, part.get_name() + ":");
    text += "    " + joined(names, " | ") + ") " + complete_from(choices) + " ;;\n";
  }
  return text;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> first = names_of(app);
  std::string choices;
  std::string options;
  for (const CLI::App* const part : parts_of(app)) {
    first.push_back(part->get_name());
    choices += choices_of(*part);
    options += "    " + part->get_name() + ":-*) " + complete_from(names_of(*part)) + " ;;\n";
  }
  return "# Completion of attractor's commands, options and their values; everything else is a file.\n"
         "_attractor() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} part=${COMP_WORDS[1]}\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    " +
         complete_from(first) +
         "\n"
         "    return\n"
         "  fi\n"
         "  case $part:$previous in\n" +
         choices +
         "  esac\n"
         "  if ((${#COMPREPLY[@]} > 0)); then return; fi\n"
         "  case $part:$word in\n" +
         options +
         "  esac\n"
         "}\n"
         "complete -o default -F _attractor attractor\n";
}

}  // namespace attractor::command
