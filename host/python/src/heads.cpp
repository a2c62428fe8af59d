#include <algorithm>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <attractor/heads.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/choice.hpp"
#include "host/python/src/memory.hpp"
#include "host/python/src/relaxation.hpp"
#include "host/python/src/separation.hpp"

namespace attractor::python {
namespace {

using MaybeArray = std::optional<Array>;
using MaybeObject = std::optional<nb::object>;

struct HeadsArrays {
  Result states;
  Result steps;
  Result energies;
  Result status;
  Result contents;
};

/// Entries that all heads read in a step, and the steps of that which may take most.
std::pair<double, int> work_of(const Heads& heads) {
  double entries = 0.0;
  int steps = 0;
  for (const Relaxer& head : heads.relaxers()) {
    entries += entries_of_a_step(head.memory());
    steps = std::max(steps, head.options().max_steps);
  }
  return {entries, steps};
}

HeadsArrays relax(const Heads& heads, const Array& queries, const MaybeArray& clamped, const MaybeArray& valid_patterns,
                  const MaybeArray& log_prior, const MaybeObject& betas, nb::handle progress,
                  const std::stop_source* stop) {
  RelaxArguments arguments(heads.relaxers().front().memory().device(), queries, clamped, valid_patterns, log_prior,
                           betas, progress, stop);
  const auto [entries, steps] = work_of(heads);
  HeadsRelaxation relaxation = arguments.run(
      [&](const QueryView& rows, const RelaxCall& call) { return heads.relax(rows, call); }, entries, steps);
  const Library library = arguments.library();
  return {.states = give(library, std::move(relaxation.states)),
          .steps = give(library, std::move(relaxation.steps)),
          .energies = give(library, std::move(relaxation.energies)),
          .status = give(library, std::move(relaxation.status)),
          .contents = give(library, std::move(relaxation.contents))};
}

Heads modern_hopfield(const Array& patterns, const nb::object& betas, std::string_view similarity,
                      const AnySeparation* separation, std::string_view storage, const MaybeObject& log_prior,
                      const MaybeArray& contents, std::string_view content_storage, std::string_view precision,
                      const AnyUpdate* update, const Halting* halting, int max_steps, bool energies, int threads,
                      const std::optional<Device>& device) {
  const FloatMatrix rows(patterns, "patterns");
  const FloatMatrix content_rows(contents, "contents");
  const std::vector<float> temperatures = read_floats(betas, "betas");
  const ModernHopfieldOptions options{.similarity = parse<Similarity>("similarity", similarity),
                                      .separation = separation == nullptr ? softmax() : separation->value,
                                      .storage = parse<PatternStorage>("storage", storage),
                                      .log_prior = read_floats(log_prior, "log-priors"),
                                      .contents = content_rows.view(),
                                      .content_storage = parse<PatternStorage>("content_storage", content_storage),
                                      .precision = parse<ProductPrecision>("precision", precision)};
  const RelaxerOptions relaxation = read_options(update, halting, max_steps, energies, false, threads, false);
  return unlocked(
      [&] { return Heads::modern_hopfield(chosen(device), rows.view(), temperatures, options, relaxation); });
}

}  // namespace

void bind_heads(nb::module_& module) {
  nb::class_<HeadsArrays>(
      module, "HeadsRelaxation",
      "Results, in the order of the queries; those of each head are as if it had been called alone.")
      .def_ro("states", &HeadsArrays::states, "float32 [B, ΣD_h].")
      .def_ro("steps", &HeadsArrays::steps, "int32 [H, B], updates applied.")
      .def_ro("energies", &HeadsArrays::energies, "float32 [H, B], NaN of heads that have none.")
      .def_ro("status", &HeadsArrays::status, "uint8 [H, B], as Status.")
      .def_ro("contents", &HeadsArrays::contents, "float32 [B, ΣM_h]; no columns of heads that are auto-associative.");
  nb::class_<Heads>(module, "Heads",
                    R"(Several relaxers side by side: each relaxes columns of its own of every query.

With modern Hopfield memories, readout_update() and one step this is multi-head attention without its projections.)")
      .def(nb::init<std::vector<Relaxer>>(), nb::arg("heads"), "At least one, none of which keeps energy traces.")
      .def_static("modern_hopfield", &modern_hopfield, nb::arg("patterns"), nb::arg("betas"), nb::kw_only(),
                  nb::arg("similarity") = "dot", nb::arg("separation") = nb::none(), nb::arg("storage") = "float32",
                  nb::arg("log_prior") = nb::none(), nb::arg("contents") = nb::none(),
                  nb::arg("content_storage") = "float32", nb::arg("precision") = "full", nb::arg("update") = nb::none(),
                  nb::arg("halting") = nb::none(), nb::arg("max_steps") = RelaxerOptions{}.max_steps,
                  nb::arg("energies") = false, nb::arg("threads") = 0, nb::arg("device") = nb::none(),
                  R"(Modern Hopfield memories of equal groups of columns, as many as there are betas.

patterns: [P, HD]. betas: [H], inverse temperature of each head. contents: [P, HM].
Other arguments as Memory.modern_hopfield and Relaxer, for all heads.)")
      .def("relax", &relax, nb::arg("queries"), nb::kw_only(), nb::arg("clamped") = nb::none(),
           nb::arg("valid_patterns") = nb::none(), nb::arg("log_prior") = nb::none(), nb::arg("betas") = nb::none(),
           nb::arg("progress") = nb::none(), nb::arg("stop") = nb::none(),
           R"(Relaxes every row of queries [B, ΣD_h], head after head; arguments as Relaxer.relax. What a call says of
patterns, and betas, hold for all heads. Progress counts each query once a head.)")
      .def_prop_ro("relaxers", [](const Heads& heads) { return heads.relaxers(); })
      .def_prop_ro("dimension", &Heads::dimension, "ΣD_h.")
      .def_prop_ro("content_columns", &Heads::content_columns, "ΣM_h.")
      .def("__len__", [](const Heads& heads) { return heads.relaxers().size(); })
      .def("__repr__", [](const Heads& heads) {
        return "<attractor.Heads: " + std::to_string(heads.relaxers().size()) + " over " +
               std::to_string(heads.dimension()) + " columns>";
      });
}

}  // namespace attractor::python
