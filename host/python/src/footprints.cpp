#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <attractor/footprint.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/choice.hpp"
#include "host/python/src/memory.hpp"

namespace attractor::python {
namespace {

using Pairs = std::vector<std::pair<Index, Index>>;

Matrix<float> compute(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                      const std::optional<Pairs>& pairs, const FootprintOptions& options) {
  if (!pairs) return footprint(device, patterns, queries, options);
  std::vector<FootprintPair> chosen_pairs;
  for (const auto& [query, pattern] : *pairs) chosen_pairs.push_back({query, pattern});
  return footprint(device, patterns, queries, chosen_pairs, options);
}

Result footprint_array(const Array& patterns, const Array& queries, const std::optional<Pairs>& pairs,
                       std::string_view base, bool cumulative, int threads, const std::optional<Device>& device) {
  const FloatMatrix pattern_rows(patterns, "patterns");
  const FloatMatrix query_rows(queries, "queries");
  const FootprintOptions options{
      .base = parse<FootprintBase>("base", base), .cumulative = cumulative, .threads = threads};
  return give(library_of(queries), unlocked([&] {
                return compute(chosen(device), pattern_rows.view(), query_rows.view(), pairs, options);
              }));
}

}  // namespace

void bind_footprints(nb::module_& module) {
  module.def(
      "footprint", &footprint_array, nb::arg("patterns"), nb::arg("queries"), nb::kw_only(),
      nb::arg("pairs") = nb::none(), nb::arg("base") = "squared_distance",
      nb::arg("cumulative") = FootprintOptions{}.cumulative, nb::arg("threads") = 0, nb::arg("device") = nb::none(),
      R"(Footprints of queries [B, D] with patterns [P, D] (A-Hop, arXiv 2511.20609): float32 [B·P, D], row b·P + p
being that of query b and pattern p, entry k the sum of its k + 1 largest terms.

pairs: (query, pattern), by their rows, of which footprints are wanted: float32 [pairs, D].
base: terms −(ξ_i − x_i)², 'squared_distance', or ξ_i x_i, 'dot'. cumulative: False for the ranked terms themselves.)");
}

}  // namespace attractor::python
