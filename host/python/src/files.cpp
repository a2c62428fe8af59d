#include <filesystem>
#include <optional>

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>

#include <attractor/files.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/memory.hpp"

namespace attractor::python {

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
  module.def(
      "load",
      [](const std::filesystem::path& path, const std::optional<Device>& device) {
        return SharedMemory(unlocked([&] { return load(chosen(device), path); }));
      },
      nb::arg("path"), nb::kw_only(), nb::arg("device") = nb::none(),
      R"(Makes the memory that a file holds, on any device; it answers queries with the same bits as the one saved did there.
FileError says what is wrong with a file.)");
}

}  // namespace attractor::python
