/// Corrupted patterns, and patterns of 0 and 1.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <attractor/bipolar.hpp>
#include <attractor/variants.hpp>

#include "host/python/src/arrays.hpp"
#include "host/python/src/bind.hpp"
#include "host/python/src/call.hpp"
#include "host/python/src/choice.hpp"
#include "host/python/src/text.hpp"

namespace attractor::python {
namespace {

struct VariantArrays {
  Result queries;
  Result origins;
};

VariantArrays make_arrays(const Array& patterns, Index count, const VariantOptions& options) {
  const FloatMatrix rows(patterns, "patterns");
  Variants variants = unlocked([&] { return make_variants(rows.view(), count, options); });
  const Library library = library_of(patterns);
  return {.queries = give(library, std::move(variants.queries)), .origins = give(library, std::move(variants.origins))};
}

Result vary_array(const Array& patterns, const VariantOptions& options) {
  const FloatMatrix rows(patterns, "patterns");
  return give(library_of(patterns), unlocked([&] { return vary(rows.view(), options); }));
}

std::string describe(const VariantOptions& options) {
  CallText text("VariantOptions");
  text.with("variant", name_of(options.variant)).with("severity", options.severity).with("spread", options.spread);
  if (options.mask_value) text.with("mask_value", *options.mask_value);
  return text.with("seed", options.seed).done();
}

void bind_options(nb::module_& module) {
  const VariantOptions defaults;
  nb::class_<VariantOptions>(module, "VariantOptions", "How a variant x of a pattern ξ comes about.")
      .def(
          "__init__",
          [](VariantOptions* self, std::string_view variant, float severity, float spread,
             std::optional<float> mask_value, std::uint64_t seed) {
            new (self) VariantOptions{.variant = parse<Variant>("variant", variant),
                                      .severity = severity,
                                      .spread = spread,
                                      .mask_value = mask_value,
                                      .seed = seed};
          },
          nb::kw_only(), nb::arg("variant") = name_of(defaults.variant), nb::arg("severity") = defaults.severity,
          nb::arg("spread") = defaults.spread, nb::arg("mask_value") = nb::none(), nb::arg("seed") = defaults.seed,
          R"(variant: 'noisy' (x = ξ + s·spread·n, n for each entry), 'masked' (a share s of the entries is replaced by
    mask_value or, without one, by spread·n each), 'biased' (one n for all entries) or 'mixed' (all of them).
severity: s ≥ 0; for masked and mixed ones at most 1. spread: ≥ 0, the unit of noise, masks and bias.)")
      .def_prop_ro("variant", [](const VariantOptions& self) { return name_of(self.variant); })
      .def_ro("severity", &VariantOptions::severity)
      .def_ro("spread", &VariantOptions::spread)
      .def_ro("mask_value", &VariantOptions::mask_value)
      .def_ro("seed", &VariantOptions::seed)
      .def("__repr__", describe);
}

}  // namespace

void bind_variants(nb::module_& module) {
  bind_options(module);
  nb::class_<VariantArrays>(module, "Variants", "Corrupted copies of patterns whose origins are known.")
      .def_ro("queries", &VariantArrays::queries, "float32 [count, D].")
      .def_ro("origins", &VariantArrays::origins, "int64 [count], the pattern that each comes from.");
  module.def("make_variants", &make_arrays, nb::arg("patterns"), nb::arg("count"),
             nb::arg("options") = VariantOptions{},
             "`count` variants of patterns [P, D] drawn uniformly at random; the same arguments give the same ones.");
  module.def("vary", &vary_array, nb::arg("patterns"), nb::arg("options") = VariantOptions{},
             "One variant of every pattern [P, D], in order: float32 [P, D].");
  module.def(
      "to_bipolar",
      [](const Array& binary) {
        const FloatMatrix rows(binary, "binary values");
        return give(library_of(binary), unlocked([&] { return to_bipolar(rows.view()); }));
      },
      nb::arg("binary"), "2x − 1: patterns and queries [B, D] of 0 and 1, or bool, as float32 of ±1.");
  module.def(
      "to_binary",
      [](const Array& bipolar) {
        const FloatMatrix rows(bipolar, "bipolar values");
        return give(library_of(bipolar), unlocked([&] { return to_binary(rows.view()); }));
      },
      nb::arg("bipolar"), "The way back: float32 [B, D], 1 where a state is above 0, else 0.");
}

}  // namespace attractor::python
