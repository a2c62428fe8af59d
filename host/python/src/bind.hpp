#pragma once

/// The parts of the module, one for each topic.

#include <nanobind/nanobind.h>

namespace attractor::python {

void bind_errors();
void bind_bits(nanobind::module_& module);
void bind_devices(nanobind::module_& module);
void bind_dynamics(nanobind::module_& module);
void bind_separations(nanobind::module_& module);
void bind_similarities(nanobind::module_& module);
void bind_memories(nanobind::module_& module);
void bind_relaxers(nanobind::module_& module);
void bind_heads(nanobind::module_& module);
void bind_retrieval(nanobind::module_& module);
void bind_variants(nanobind::module_& module);
void bind_footprints(nanobind::module_& module);
void bind_fits(nanobind::module_& module);
void bind_files(nanobind::module_& module);

}  // namespace attractor::python
