#pragma once

/// attractor: batched associative-memory inference. This header includes the whole public interface.

#include <attractor/array_file.hpp>
#include <attractor/bipolar.hpp>
#include <attractor/bit_matrix.hpp>
#include <attractor/device.hpp>
#include <attractor/error.hpp>
#include <attractor/files.hpp>
#include <attractor/fit.hpp>
#include <attractor/footprint.hpp>
#include <attractor/halting.hpp>
#include <attractor/heads.hpp>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/narrow_floats.hpp>
#include <attractor/nearest.hpp>
#include <attractor/query_view.hpp>
#include <attractor/recall.hpp>
#include <attractor/relaxer.hpp>
#include <attractor/retrieval.hpp>
#include <attractor/similarity.hpp>
#include <attractor/update.hpp>
#include <attractor/variants.hpp>
#include <attractor/version.hpp>
