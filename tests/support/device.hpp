#pragma once

/// The device that a suite runs on.

#include <attractor/device.hpp>

namespace attractor::test {

/// The CPU unless the program was told otherwise.
Device test_device();

/// Where every step of every few queries costs several launches of kernels, whatever they compute: there is less of
/// what takes the same paths again.
bool test_device_is_slow();

void use_device(const Device& device);

}  // namespace attractor::test
