#pragma once

/// The device that a suite runs on.

#include <attractor/device.hpp>

namespace attractor::test {

/// The CPU unless the program was told otherwise.
Device test_device();

void use_device(const Device& device);

}  // namespace attractor::test
