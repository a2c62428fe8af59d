#pragma once

/// attractor: batched associative-memory inference. This header includes the whole public interface.

#include <attractor/device.hpp>
#include <attractor/error.hpp>
#include <attractor/halting.hpp>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/relaxer.hpp>
#include <attractor/update.hpp>
#include <attractor/version.hpp>
