#pragma once

#include <string>

#include <attractor/halting.hpp>
#include <attractor/update.hpp>

namespace attractor::python {

/// An update as one class, whichever it is.
struct AnyUpdate {
  Update value;
};

/// As the Python that makes it: "tanh_update(gain=0.5)".
std::string to_text(const AnyUpdate& update);
std::string to_text(const Halting& halting);

}  // namespace attractor::python
