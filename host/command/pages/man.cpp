#include <string>
#include <string_view>

#include "host/command/pages/pages.hpp"

#include <attractor/version.hpp>

namespace attractor::command {
namespace {

constexpr std::string_view description = R"(.SH DESCRIPTION
Patterns are stored as attractors of an energy; queries relax towards them, each until its own energy stabilises.
Memories are files in the format of safetensors, arrays NumPy's files (.npy).
.PP
Files may be larger than memory: queries and results are mapped, and a chunk of them is worked on at a time.
A run that was interrupted, or that ended with its machine, goes on when the same command is given again; results take
their names when all of them are there.
)";

constexpr std::string_view examples = R"(.SH EXAMPLES
Make a memory, relax queries on it, and see how they ended:
.PP
.nf
attractor make \-\-rule 'modern_hopfield(beta = 8)' \-\-patterns patterns.npy \-o memory.safetensors
attractor relax memory.safetensors queries.npy \-o states.npy \-\-steps steps.npy \-\-status status.npy
.fi
.PP
The five patterns that each query most likely comes from:
.PP
.nf
attractor retrieve memory.safetensors queries.npy \-k 5 \-o found.npy \-\-posteriors posteriors.npy
.fi
.PP
The third of eight parts of a file, as a job array shares it among machines:
.PP
.nf
attractor relax memory.safetensors queries.npy \-o states.npy \-\-shard 2/8
.fi
)";

/// Text that troff prints as it is; spaces are all that may begin a line of it otherwise.
std::string plain(std::string_view text) {
  std::string result;
  for (const char letter : text) {
    if (letter == '\\')
      result += "\\e";
    else if (letter == '-')
      result += "\\-";
    else
      result += letter;
  }
  return !result.empty() && (result.front() == '.' || result.front() == '\'') ? "\\&" + result : result;
}

/// A name in bold, what follows it, and what it means.
std::string entry(const std::string& name, const std::string& after, const std::string& meaning) {
  return ".TP\n\\fB" + plain(name) + "\\fR" + plain(after) + "\n" + plain(meaning) + "\n";
}

std::string section_of(const CLI::App& part) {
  const CLI::Formatter format;  // That of --help.
  std::string usage = part.get_name() + " [options]";
  std::string entries;
  for (const CLI::Option* const option :
       part.get_options([](const CLI::Option* candidate) { return candidate->get_positional(); })) {
    const std::string name = format.make_option_name(option, true);
    usage += " " + name;
    entries += entry(name, format.make_option_opts(option), format.make_option_desc(option));
  }
  for (const CLI::Option* const option : options_of(part))
    entries +=
        entry(format.make_option_name(option, false), format.make_option_opts(option), format.make_option_desc(option));
  return ".SS attractor " + plain(usage) + "\n" + plain(part.get_description()) + ".\n" + entries;
}

}  // namespace

std::string man_page(const CLI::App& app) {
  std::string text = ".TH ATTRACTOR 1 \"\" \"attractor " ATTRACTOR_VERSION "\" \"User Commands\"\n";
  text += ".SH NAME\nattractor \\- associative memories in files: make, relax, retrieve\n";
  text +=
      ".SH SYNOPSIS\n.B attractor\n.I command\n.RI [ options ]\\ ...\n.br\n.B attractor\n.BR \\-\\-help | "
      "\\-\\-version\n";
  text += description;
  text += ".SH COMMANDS\n";
  for (const CLI::App* const part : parts_of(app)) text += section_of(*part);
  text += ".SH EXIT STATUS\n" + plain(app.get_footer()) + "\n";
  return text.append(examples);
}

}  // namespace attractor::command
