/// What a memory says of queries without relaxing them, and of states after.

#include <optional>
#include <utility>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>

#include <attractor/nearest.hpp>
#include <attractor/recall.hpp>
#include <attractor/retrieval.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/memory.hpp"

namespace attractor::python {
namespace {

using MaybeArray = std::optional<Array>;

struct RetrievalArrays {
  Result pattern;
  std::optional<Result> posterior = {};
};

struct RecallArrays {
  Result contents;
  std::optional<Result> intensity = {};
};

struct NearestArrays {
  Result pattern;
  Result overlap;
};

/// Room beside queries on a device for what they retrieve; nothing where their library has no arrays to be written.
std::optional<RetrievalArrays> make_room(const Array& queries, Index rows, Index count, bool posteriors) {
  const nb::object make = nb::module_::import_("attractor.room").attr("beside");
  const auto array = [&](const char* type) {
    return nb::borrow<Result>(make(queries, nb::make_tuple(rows, count), type));
  };
  RetrievalArrays room{.pattern = array("int64")};
  if (room.pattern.is_none()) return std::nullopt;
  if (posteriors) room.posterior = array("float32");
  return room;
}

void retrieve_into(const RetrievalArrays& room, const Memory& memory, const QueryView& queries,
                   const RetrievalOptions& options) {
  const auto as_array = [](const Result& result) { return nb::borrow<Array>(result); };
  const Buffer<Index> patterns(as_array(room.pattern), "retrieved patterns", 2, Place::device);
  const Buffer<float> posteriors(room.posterior ? MaybeArray(as_array(*room.posterior)) : MaybeArray(), "posteriors", 2,
                                 Place::device);
  const RetrievalView results{.pattern = patterns.rows(), .posterior = posteriors.rows()};
  unlocked([&] { retrieve(memory, queries, results, options); });
}

RetrievalArrays retrieve_arrays(const SharedMemory& shared, const Array& queries, Index count,
                                const MaybeArray& valid_patterns, const MaybeArray& log_prior,
                                std::optional<float> beta, bool posteriors, int threads) {
  const Memory memory = shared.now();
  const Place place = place_of(memory.device());
  const QueryMatrix rows(queries, "queries", memory.device(), place);
  const MarkMatrix valid(valid_patterns, "valid patterns", place);
  const FloatMatrix priors(log_prior, "log-priors", place);
  const RetrievalOptions options{.count = count,
                                 .valid_patterns = valid.view(),
                                 .log_prior = priors.view(),
                                 .beta = beta,
                                 .posteriors = posteriors,
                                 .threads = threads};
  if (rows.is_on_device()) {
    if (std::optional<RetrievalArrays> room = make_room(queries, rows.view().rows(), count, posteriors)) {
      retrieve_into(*room, memory, rows.view(), options);
      return *std::move(room);
    }
  }
  Retrieval found = unlocked([&] { return retrieve(memory, rows.view(), options); });
  const Library library = library_of(queries);
  RetrievalArrays arrays{.pattern = give(library, std::move(found.pattern), count)};
  if (posteriors) arrays.posterior = give(library, std::move(found.posterior), count);
  return arrays;
}

RecallArrays recall_arrays(const SharedMemory& shared, const Array& queries, const MaybeArray& valid_patterns,
                           const MaybeArray& log_prior, int threads) {
  const Memory memory = shared.now();
  const QueryMatrix rows(queries, "queries", memory.device());
  const MarkMatrix valid(valid_patterns, "valid patterns");
  const FloatMatrix priors(log_prior, "log-priors");
  Recall echo = unlocked([&] {
    return recall(memory, rows.view(),
                  {.valid_patterns = valid.view(), .log_prior = priors.view(), .threads = threads});
  });
  const Library library = library_of(queries);
  RecallArrays arrays{.contents = give(library, std::move(echo.contents))};
  if (!echo.intensity.empty()) arrays.intensity = give(library, std::move(echo.intensity));
  return arrays;
}

NearestArrays nearest_arrays(const SharedMemory& shared, const Array& states, Index count, int threads) {
  const Memory memory = shared.now();
  const QueryMatrix rows(states, "states", memory.device());
  Nearest found = unlocked([&] { return nearest(memory, rows.view(), {.count = count, .threads = threads}); });
  const Library library = library_of(states);
  return {.pattern = give(library, std::move(found.pattern), count),
          .overlap = give(library, std::move(found.overlap), count)};
}

}  // namespace

void bind_retrieval(nb::module_& module) {
  nb::class_<RetrievalArrays>(module, "Retrieval", "What `retrieve` finds, in the order of the queries.")
      .def_ro("pattern", &RetrievalArrays::pattern,
              "int64 [B, k], those with the largest scores, the best first; −1 where there are no more.")
      .def_ro("posterior", &RetrievalArrays::posterior,
              "float32 [B, k], their weights among all; NaN where the pattern is −1. None unless asked for.");
  nb::class_<RecallArrays>(module, "Recall", "What `recall` reads out, in the order of the queries.")
      .def_ro("contents", &RecallArrays::contents, "float32 [B, M]; NaN where a query isn't finite.")
      .def_ro("intensity", &RecallArrays::intensity,
              "float32 [B], the sum of the weights; None for memories whose weights are normalised.");
  nb::class_<NearestArrays>(module, "Nearest", "What `nearest` finds, in the order of the states.")
      .def_ro("pattern", &NearestArrays::pattern,
              "int64 [B, k], those with the largest overlaps, the best first; −1 where a state isn't finite.")
      .def_ro("overlap", &NearestArrays::overlap,
              "float32 [B, k], m = ξ·x/(‖ξ‖‖x‖) with each; below 0 it is the pattern's inverse that is near.");
  module.def(
      "retrieve", &retrieve_arrays, nb::arg("memory"), nb::arg("queries"), nb::kw_only(), nb::arg("count") = 1,
      nb::arg("valid_patterns") = nb::none(), nb::arg("log_prior") = nb::none(), nb::arg("beta") = nb::none(),
      nb::arg("posteriors") = true, nb::arg("threads") = 0,
      R"(The `count` most likely patterns for each query [B, D], and their posteriors, of memories whose weights sum
to 1.

valid_patterns, log_prior: [1, P] or [B, P], as in Relaxer.relax. beta: in place of the memory's own.
posteriors: False where the patterns are all that is asked for, which adaptive memories then find in half of the time;
modern Hopfield memories of dot products on CUDA devices with less work, too.

With a memory on a CUDA device each array may be there; results of PyTorch's or CuPy's queries are there then, too.)");
  module.def(
      "recall", &recall_arrays, nb::arg("memory"), nb::arg("queries"), nb::kw_only(),
      nb::arg("valid_patterns") = nb::none(), nb::arg("log_prior") = nb::none(), nb::arg("threads") = 0,
      R"(Reads contents, or without such the patterns, out at every query [B, D], once: correlation-matrix memories,
cross-attention, the echo of Minerva 2 with its intensity. Arguments as `retrieve`.)");
  module.def("nearest", &nearest_arrays, nb::arg("memory"), nb::arg("states"), nb::kw_only(), nb::arg("count") = 1,
             nb::arg("threads") = 0,
             R"(The `count` stored patterns nearest to each state [B, D] by their overlap, of any memory; where −ξ is an
attractor as ξ is by its magnitude.)");
}

}  // namespace attractor::python
