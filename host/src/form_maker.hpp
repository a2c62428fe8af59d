#pragma once

/// What rules make of patterns.

#include "host/src/form.hpp"
#include "host/src/made_rows.hpp"
#include "host/src/pattern_statistics.hpp"
#include "host/src/projection.hpp"
#include "host/src/rule.hpp"
#include "host/src/storkey.hpp"

namespace attractor::detail {

/// What a form views, where that isn't what is stored itself.
struct MadeMatrices {
  Projection* projection;               ///< of projection memories: what it has become of the `stored` patterns
  Storkey* storkey;                     ///< of Storkey memories: what has been learned
  MatrixView<const float> stored = {};  ///< those before, of rules that need them
  MadeRows patterns = MadeRows();
  MadeRows contents = MadeRows();
};

/// The rule applied. The form views patterns and contents as given, or else what `made` then has. The statistics are
/// those of all patterns; where `keeps_patterns`, patterns and contents may be the last ones only, or none.
///
/// @throws DependentPatterns, InvalidArgument as the named functions of Memory.
Form make_form(const Rule& rule, const PatternStatistics& statistics, MatrixView<const float> patterns,
               MatrixView<const float> contents, MadeMatrices& made);

/// Whether the rule makes a form of patterns where they are: it asks a device for no more than a few numbers for each
/// pattern and column. Others take them on the host.
bool takes_patterns_on_device(const Rule& rule, const PatternStatistics& statistics, int cuda_device);

/// Whether the form has each pattern as it did once others have come or gone, and only says something else of all.
bool keeps_patterns(const Rule& rule, const PatternStatistics& before, const PatternStatistics& after);

}  // namespace attractor::detail
