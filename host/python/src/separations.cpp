#include <string>
#include <variant>

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "host/python/src/bind.hpp"
#include "host/python/src/separation.hpp"
#include "host/python/src/text.hpp"

namespace attractor::python {
namespace {

namespace nb = nanobind;

std::string describe(const AnySeparation& separation) {
  return std::visit(
      [](const auto& kind) {
        CallText text(kind.name);
        kind.visit_parameters(kind, [&](const auto& parameter, auto value) { text.with(parameter.name, value); });
        return text.done();
      },
      separation.value);
}

}  // namespace

void bind_separations(nb::module_& module) {
  nb::class_<AnySeparation>(module, "Separation",
                            "How scores s become weights p that sum to 1; made by softmax, entmax and the like.")
      .def("__repr__", describe);
  module.def(
      "softmax", [] { return AnySeparation{softmax()}; },
      "p ∝ exp(s): modern Hopfield networks, attention (Ramsauer et al. 2020).");
  module.def(
      "sparsemax", [] { return AnySeparation{sparsemax()}; },
      "entmax(2): most weights are exactly 0 (Martins, Astudillo 2016; Hu et al. 2023).");
  module.def(
      "entmax", [](float alpha) { return AnySeparation{entmax(alpha)}; }, nb::arg("alpha") = EntmaxSeparation{}.alpha,
      "p = [(α−1)s − τ]₊^(1/(α−1)), alpha in [1.05, 2]: most weights are exactly 0 (Peters et al. 2019).");
  module.def(
      "normmax", [](float gamma) { return AnySeparation{normmax(gamma)}; },
      nb::arg("gamma") = NormmaxSeparation{}.gamma,
      "p ∝ [s − τ]₊^(1/(γ−1)), gamma in [1.1, 2] (Blondel, Martins, Niculae 2020; Santos et al. 2024).");
  module.def(
      "top", [](int count) { return AnySeparation{top(count)}; }, nb::arg("count"),
      "Softmax over the `count` ≥ 1 patterns with the largest scores; 1 is the maximum (Millidge et al. 2022).");
  module.def(
      "epanechnikov", [](float epsilon) { return AnySeparation{epanechnikov(epsilon)}; },
      nb::arg("epsilon") = EpanechnikovSeparation{}.epsilon,
      "The same weight for all patterns within reach, epsilon in (0, 1]; with squared or Manhattan distances (Hoover "
      "et "
      "al. 2025).");
}

}  // namespace attractor::python
