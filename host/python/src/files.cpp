#include <filesystem>
#include <optional>
#include <string>

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <attractor/error.hpp>
#include <attractor/files.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/memory.hpp"

namespace attractor::python {

namespace {

using MaybeText = std::optional<std::string>;

SharedMemory load_memory(const std::filesystem::path& path, const MaybeText& rule, const std::string& patterns,
                         const MaybeText& contents, const MaybeText& thresholds, const MaybeText& log_prior,
                         const std::optional<Device>& device) {
  const TensorNames names{.patterns = patterns,
                          .contents = contents.value_or(""),
                          .thresholds = thresholds.value_or(""),
                          .log_prior = log_prior.value_or("")};
  if (!rule && (patterns != TensorNames().patterns || contents || thresholds || log_prior))
    throw InvalidArgument("names of tensors are for files of others, whose rule is given too; this has no rule");
  return SharedMemory(
      unlocked([&] { return rule ? load(chosen(device), path, *rule, names) : load(chosen(device), path); }));
}

}  // namespace

void bind_files(nb::module_& module) {
  module.def(
      "save",
      [](const SharedMemory& shared, const std::filesystem::path& path) {
        const Memory memory = shared.now();
        unlocked([&] { save(memory, path); });
      },
      nb::arg("memory"), nb::arg("path"),
      R"(Writes a memory to a safetensors file: tensors `patterns` F32 [P, D], `contents` F32 [P, M] where it has some, and
what its rule has in arrays; the rule and its options in the metadata. Whoever reads `path` finds the old file or the
new one, never a part.)");
  const TensorNames names;
  module.def(
      "load", &load_memory, nb::arg("path"), nb::kw_only(), nb::arg("rule") = nb::none(),
      nb::arg("patterns") = names.patterns.c_str(), nb::arg("contents") = nb::none(),
      nb::arg("thresholds") = nb::none(), nb::arg("log_prior") = nb::none(), nb::arg("device") = nb::none(),
      R"(Makes the memory that a file holds, on any device; it answers queries with the same bits as the one saved did there.
FileError says what is wrong with a file.

With a rule, in words as `Memory.make` takes them, of any safetensors file, such as a model's: `patterns`, `contents`,
`thresholds` and `log_prior` are then the names of its tensors, of float32, float16 or bfloat16.)");
}

}  // namespace attractor::python
