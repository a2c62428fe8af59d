/// How states change and when they rest: updates, halting rules, statuses.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <attractor/halting.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/choice.hpp"
#include "host/python/src/dynamics.hpp"
#include "host/python/src/text.hpp"

namespace attractor::python {
namespace {

namespace nb = nanobind;

struct UpdateText {
  std::string operator()(const TanhUpdate& update) const {
    return CallText("tanh_update").with("gain", update.gain).done();
  }
  std::string operator()(const SignUpdate& update) const {
    return CallText("sign_update").with("at_zero", name_of(update.at_zero)).done();
  }
  std::string operator()(const AsynchronousSignUpdate& update) const {
    CallText text("asynchronous_sign_update");
    if (update.seed) text.with("seed", *update.seed);
    return text.with("at_zero", name_of(update.at_zero)).done();
  }
  std::string operator()(const ReadoutUpdate& /*update*/) const { return "readout_update()"; }
  std::string operator()(const BlendUpdate& update) const {
    return CallText("blend_update").with("rate", update.rate).done();
  }
};

void bind_updates(nb::module_& module) {
  nb::class_<AnyUpdate>(module, "Update", "How a state x follows its readout u; made by tanh_update and the like.")
      .def("__repr__", [](const AnyUpdate& update) { return to_text(update); });
  module.def(
      "tanh_update", [](float gain) { return AnyUpdate{tanh_update(gain)}; }, nb::arg("gain") = TanhUpdate{}.gain,
      "x' = tanh(x + gain·u); gain is finite and not negative.");
  module.def(
      "sign_update", [](std::string_view at_zero) { return AnyUpdate{sign_update(parse<AtZero>("at_zero", at_zero))}; },
      nb::arg("at_zero") = "keep",
      "x' = sign(u), all neurons at once (Hopfield 1982; Amari 1972). Where u is 0 the neuron stays as it is ('keep'), "
      "becomes 0 ('zero') or +1 ('plus').");
  module.def(
      "asynchronous_sign_update",
      [](std::optional<std::uint64_t> seed, std::string_view at_zero) {
        return AnyUpdate{asynchronous_sign_update(seed, parse<AtZero>("at_zero", at_zero))};
      },
      nb::arg("seed") = nb::none(), nb::arg("at_zero") = "keep",
      "x_i' = sign(u_i), one neuron after another, in the order of their numbers or, with a seed, in one that follows "
      "from that and D alone: a step is a sweep over all. Of linear and dense associative memories.");
  module.def(
      "readout_update", [] { return AnyUpdate{readout_update()}; },
      "x' = u: with softmax the update of modern Hopfield networks (Ramsauer et al. 2020, eq. 3).");
  module.def(
      "blend_update", [](float rate) { return AnyUpdate{blend_update(rate)}; }, nb::arg("rate"),
      "x' = x + rate·(u − x), rate in (0, 1].");
}

void bind_halting(nb::module_& module) {
  const EnergyTolerance tolerance;
  nb::class_<Halting>(module, "Halting",
                      "When a query halts; made by energy_stable, state_stable and fixed_steps. It does at the first "
                      "step t ≥ 2 at which its change has been within tolerance for `patience` consecutive steps.")
      .def_prop_ro(
          "watch", [](const Halting& halting) { return name_of(halting.watch); }, "'energy', 'state' or 'nothing'.")
      .def_ro("absolute", &Halting::absolute, "In units of the energy, or of the state's Euclidean norm.")
      .def_ro("relative", &Halting::relative, "Of |E_t|; energy only.")
      .def_ro("patience", &Halting::patience, "Consecutive steps.")
      .def("__repr__", [](const Halting& halting) { return to_text(halting); });
  module.def(
      "energy_stable",
      [](float absolute, float relative, int patience) {
        return energy_stable({.absolute = absolute, .relative = relative, .patience = patience});
      },
      nb::kw_only(), nb::arg("absolute") = tolerance.absolute, nb::arg("relative") = tolerance.relative,
      nb::arg("patience") = tolerance.patience,
      "Halt when the query's own energy stabilises: |E_t − E_{t−1}| ≤ absolute + relative·|E_t|. About 1e-6 is the "
      "smallest useful relative tolerance.");
  module.def("state_stable", &state_stable, nb::arg("tolerance"), nb::arg("patience") = 1,
             "Halt when the state stops moving: ‖x_t − x_{t−1}‖₂ ≤ tolerance. With a sign update also in a cycle of "
             "two states, as Status.oscillating.");
  module.def("fixed_steps", &fixed_steps, "Never halt early; every query takes exactly `max_steps` steps.");
  nb::enum_<Status>(module, "Status", nb::is_arithmetic(),
                    "How one query's relaxation ended, as results have it in uint8: compare with result.status.")
      .value("converged", Status::converged, "Its change stayed within tolerance.")
      .value("max_steps", Status::max_steps, "It took max_steps steps; every fixed-step query ends so.")
      .value("diverged", Status::diverged, "Its state or energy stopped being finite; no other query is affected.")
      .value("cancelled", Status::cancelled, "The call was cancelled first.")
      .value("oscillating", Status::oscillating, "Its state is what it was two steps before.");
}

}  // namespace

std::string to_text(const AnyUpdate& update) { return std::visit(UpdateText{}, update.value); }

std::string to_text(const Halting& halting) {
  switch (halting.watch) {
    case Halting::Watch::nothing: return "fixed_steps()";
    case Halting::Watch::state:
      return CallText("state_stable").with("tolerance", halting.absolute).with("patience", halting.patience).done();
    case Halting::Watch::energy: break;
  }
  return CallText("energy_stable")
      .with("absolute", halting.absolute)
      .with("relative", halting.relative)
      .with("patience", halting.patience)
      .done();
}

void bind_dynamics(nb::module_& module) {
  bind_updates(module);
  bind_halting(module);
}

}  // namespace attractor::python
