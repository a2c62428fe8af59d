#pragma once

/// Relaxations of glyphs as pictures in the terminal.

#include <iosfwd>
#include <vector>

#include <attractor/attractor.hpp>

#include "bench/support/queries.hpp"

namespace attractor::bench {

/// The first query of each set, what it relaxes to, and the stored glyph it is a copy of, set beside set.
void print_pictures(std::ostream& out, const Relaxer& relaxer, const std::vector<const QuerySet*>& sets);

}  // namespace attractor::bench
