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

/// What footprints are made of.
struct FootprintCall {
  Device device;
  MatrixView<const float> patterns;
  MatrixView<const float> queries;
  std::optional<std::vector<FootprintPair>> pairs;  ///< none: all
  FootprintOptions options;

  [[nodiscard]] Index rows() const { return pairs ? static_cast<Index>(pairs->size()) : queries.rows * patterns.rows; }
  [[nodiscard]] Matrix<float> run() const {
    return pairs ? footprint(device, patterns, queries, *pairs, options)
                 : footprint(device, patterns, queries, options);
  }
  void run_into(MatrixView<float> results) const {
    if (pairs)
      footprint(device, patterns, queries, *pairs, results, options);
    else
      footprint(device, patterns, queries, results, options);
  }
};

std::optional<std::vector<FootprintPair>> chosen_pairs(const std::optional<Pairs>& pairs) {
  if (!pairs) return std::nullopt;
  std::vector<FootprintPair> chosen;
  for (const auto& [query, pattern] : *pairs) chosen.push_back({query, pattern});
  return chosen;
}

/// Room beside queries on a device; none where their library has no arrays to be written.
Result make_room(const Array& queries, const FootprintCall& call) {
  const nb::object make = nb::module_::import_("attractor.room").attr("beside");
  return nb::borrow<Result>(make(queries, nb::make_tuple(call.rows(), call.patterns.columns), "float32"));
}

Result footprint_array(const Array& patterns, const Array& queries, const std::optional<Pairs>& pairs,
                       std::string_view base, bool cumulative, int threads, const std::optional<Device>& device) {
  const Device works_on = chosen(device);
  const FloatMatrix pattern_rows(patterns, "patterns", place_of(works_on));
  const FloatMatrix query_rows(queries, "queries", place_of(works_on));
  const FootprintCall call{
      .device = works_on,
      .patterns = pattern_rows.view(),
      .queries = query_rows.view(),
      .pairs = chosen_pairs(pairs),
      .options = {.base = parse<FootprintBase>("base", base), .cumulative = cumulative, .threads = threads}};
  if (query_rows.is_on_device()) {
    const Result room = make_room(queries, call);
    if (!room.is_none()) {
      const Buffer<float> results(nb::borrow<Array>(room), "footprints", 2, Place::device);
      unlocked([&] { call.run_into(results.rows()); });
      return room;
    }
  }
  return give(library_of(queries), unlocked([&] { return call.run(); }));
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
base: terms −(ξ_i − x_i)², 'squared_distance', or ξ_i x_i, 'dot'. cumulative: False for the ranked terms themselves.

With a CUDA device patterns and queries may be there; footprints of PyTorch's or CuPy's queries are there then, too.)");
}

}  // namespace attractor::python
