#pragma once

#include <attractor/separation.hpp>

namespace attractor::python {

/// A separation as one class, whichever it is.
struct AnySeparation {
  NormalisedSeparation value;
};

}  // namespace attractor::python
