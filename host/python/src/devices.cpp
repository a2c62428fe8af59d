#include <functional>
#include <string>

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <attractor/device.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/call.hpp"

namespace attractor::python {

void bind_devices(nb::module_& module) {
  nb::class_<Device>(module, "Device", "A processor that holds memories and relaxes queries.")
      .def_static("cpu", &Device::cpu, "The host's processor cores.")
      .def_static("cuda", &Device::cuda, nb::arg("index") = 0,
                  "The CUDA device with this number. NotSupported where this build or machine has none.")
      .def_static("cuda_devices", &Device::cuda_devices, "The CUDA devices of this machine that can be used.")
      .def_static("cuda_count", &Device::cuda_count, "How many these are.")
      .def_static("best", &Device::best, "The first CUDA device where there is one, else the processor's cores.")
      .def_prop_ro(
          "kind", [](const Device& device) { return device.kind() == Device::Kind::cuda ? "cuda" : "cpu"; },
          "'cpu' or 'cuda'.")
      .def_prop_ro("index", &Device::index, "The CUDA device's number; 0 for the CPU.")
      .def_prop_ro("description", &Device::description, "The kind and what is in use, as \"cpu (AVX3)\".")
      .def("__eq__",
           [](const Device& a, nb::handle b) { return nb::isinstance<Device>(b) && a == nb::cast<Device>(b); })
      .def("__hash__",
           [](const Device& device) {
             return std::hash<int>{}(device.kind() == Device::Kind::cuda ? device.index() : -1);
           })
      .def("__repr__", [](const Device& device) { return "<attractor.Device " + device.description() + ">"; });
}

}  // namespace attractor::python
