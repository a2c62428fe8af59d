#include <nanobind/nanobind.h>

#include <attractor/version.hpp>

#include "host/python/src/bind.hpp"

/// The order is that of use: types come before the functions whose signatures name them.
NB_MODULE(_core, module) {
  using namespace attractor::python;
  module.attr("VERSION") = ATTRACTOR_VERSION;
  bind_errors();
  bind_bits(module);
  bind_devices(module);
  bind_dynamics(module);
  bind_separations(module);
  bind_similarities(module);
  bind_memories(module);
  bind_relaxers(module);
  bind_heads(module);
  bind_retrieval(module);
  bind_variants(module);
  bind_footprints(module);
  bind_fits(module);
  bind_files(module);
}
