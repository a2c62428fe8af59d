#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <attractor/error.hpp>
#include <attractor/memory.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/choice.hpp"
#include "host/python/src/memory.hpp"
#include "host/python/src/separation.hpp"
#include "host/python/src/text.hpp"

namespace attractor::python {
namespace {

using MaybeArray = std::optional<Array>;
using MaybeObject = std::optional<nb::object>;
using MaybeDevice = std::optional<Device>;

/// Makes a memory of these patterns; `make` is one of Memory's functions.
template <class Options>
SharedMemory made(Memory (*make)(const Device&, MatrixView<const float>, const Options&), const Array& patterns,
                  const Options& options, const MaybeDevice& device) {
  const Device place = chosen(device);
  const FloatMatrix rows(patterns, "patterns", place_of(place));
  return SharedMemory(unlocked([&] { return make(place, rows.view(), options); }));
}

/// The same with contents.
template <class Options>
SharedMemory made(Memory (*make)(const Device&, MatrixView<const float>, const Options&), const Array& patterns,
                  const MaybeArray& contents, Options options, const MaybeDevice& device) {
  const FloatMatrix rows(contents, "contents");
  options.contents = rows.view();
  return made(make, patterns, options, device);
}

SharedMemory hebbian(const Array& patterns, bool self_coupling, bool centred, float rate, float decay,
                     const MaybeObject& thresholds, std::string_view evaluation, std::string_view placement,
                     const MaybeArray& contents, const MaybeDevice& device) {
  return made(&Memory::hebbian, patterns, contents,
              {.self_coupling = self_coupling,
               .centred = centred,
               .rate = rate,
               .decay = decay,
               .thresholds = read_floats(thresholds, "thresholds"),
               .evaluation = parse<Evaluation>("evaluation", evaluation),
               .placement = parse<Placement>("placement", placement)},
              device);
}

SharedMemory projection(const Array& patterns, bool self_coupling, float ridge, const MaybeObject& thresholds,
                        std::string_view evaluation, std::string_view placement, const MaybeArray& contents,
                        const MaybeDevice& device) {
  return made(&Memory::projection, patterns, contents,
              {.self_coupling = self_coupling,
               .ridge = ridge,
               .thresholds = read_floats(thresholds, "thresholds"),
               .evaluation = parse<Evaluation>("evaluation", evaluation),
               .placement = parse<Placement>("placement", placement)},
              device);
}

SharedMemory storkey(const Array& patterns, const MaybeObject& thresholds, std::string_view placement,
                     const MaybeDevice& device) {
  return made<StorkeyOptions>(
      &Memory::storkey, patterns,
      {.thresholds = read_floats(thresholds, "thresholds"), .placement = parse<Placement>("placement", placement)},
      device);
}

SharedMemory bidirectional(const Array& pairs, Index first, const MaybeObject& thresholds, std::string_view placement,
                           const MaybeDevice& device) {
  return made<BidirectionalOptions>(&Memory::bidirectional, pairs,
                                    {.first = first,
                                     .thresholds = read_floats(thresholds, "thresholds"),
                                     .placement = parse<Placement>("placement", placement)},
                                    device);
}

SharedMemory dense_associative(const Array& patterns, int order, bool rectified, const MaybeArray& contents,
                               const MaybeDevice& device) {
  return made(&Memory::dense_associative, patterns, contents, {.order = order, .rectified = rectified}, device);
}

SharedMemory minerva(const Array& traces, const MaybeArray& contents, const MaybeDevice& device) {
  return made(&Memory::minerva, traces, contents, {}, device);
}

SharedMemory modern_hopfield(const Array& patterns, float beta, std::string_view similarity,
                             const AnySeparation* separation, std::string_view storage, const MaybeObject& log_prior,
                             const MaybeArray& contents, std::string_view content_storage, std::string_view precision,
                             const MaybeDevice& device) {
  return made(&Memory::modern_hopfield, patterns, contents,
              {.beta = beta,
               .similarity = parse<Similarity>("similarity", similarity),
               .separation = separation == nullptr ? softmax() : separation->value,
               .storage = parse<PatternStorage>("storage", storage),
               .log_prior = read_floats(log_prior, "log-priors"),
               .content_storage = parse<PatternStorage>("content_storage", content_storage),
               .precision = parse<ProductPrecision>("precision", precision)},
              device);
}

SharedMemory exponential(const Array& patterns, float beta, std::string_view storage, const MaybeArray& contents,
                         std::string_view content_storage, std::string_view precision, const MaybeDevice& device) {
  return made(&Memory::exponential, patterns, contents,
              {.beta = beta,
               .storage = parse<PatternStorage>("storage", storage),
               .content_storage = parse<PatternStorage>("content_storage", content_storage),
               .precision = parse<ProductPrecision>("precision", precision)},
              device);
}

SharedMemory adaptive(const Array& patterns, const RankedSimilarity& similarity, const MaybeArray& contents,
                      const MaybeDevice& device) {
  const Device place = chosen(device);
  const FloatMatrix rows(patterns, "patterns", place_of(place));
  const FloatMatrix content_rows(contents, "contents");
  check_ranks(similarity, rows.view().columns);
  return SharedMemory(unlocked(
      [&] { return Memory::adaptive(place, rows.view(), similarity.value, {.contents = content_rows.view()}); }));
}

SharedMemory make(std::string_view rule, const Array& patterns, const MaybeObject& thresholds,
                  const MaybeObject& log_prior, const MaybeArray& contents, const MaybeDevice& device) {
  const FloatMatrix rows(patterns, "patterns");
  const FloatMatrix content_rows(contents, "contents");
  const RuleArrays arrays{.thresholds = read_floats(thresholds, "thresholds"),
                          .log_prior = read_floats(log_prior, "log-priors"),
                          .contents = content_rows.view()};
  return SharedMemory(unlocked([&] { return Memory::make(chosen(device), rule, rows.view(), arrays); }));
}

void imprint(SharedMemory& memory, const Array& patterns, const MaybeArray& contents) {
  const FloatMatrix rows(patterns, "patterns");
  const FloatMatrix content_rows(contents, "contents");
  memory.change([&](Memory& changed) { changed.imprint(rows.view(), content_rows.view()); });
}

void forget(SharedMemory& memory, const nb::object& indices) {
  const std::vector<Index> rows = read_indices(indices, "indices");
  memory.change([&](Memory& changed) { changed.forget(rows); });
}

void replace(SharedMemory& memory, const nb::object& indices, const Array& patterns, const MaybeArray& contents) {
  const std::vector<Index> places = read_indices(indices, "indices");
  const FloatMatrix rows(patterns, "patterns");
  const FloatMatrix content_rows(contents, "contents");
  memory.change([&](Memory& changed) { changed.replace(places, rows.view(), content_rows.view()); });
}

Result identifiers(const SharedMemory& shared) {
  const Memory memory = shared.now();
  std::vector<Index> result(static_cast<std::size_t>(memory.pattern_count()));
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = memory.identifier_of(static_cast<Index>(i));
  return give(Library::numpy, std::move(result));
}

/// A memory's own rows, which stay as they are as long as the array that shows them keeps a copy of the memory.
Result show_rows(const SharedMemory& memory, MatrixView<const float> (Memory::*rows)() const) {
  auto kept = std::make_unique<Memory>(memory.now());
  const MatrixView<const float> view = unlocked([&] { return (*kept.*rows)(); });
  const nb::capsule owner(kept.get(), [](void* owned) noexcept { delete static_cast<Memory*>(owned); });
  static_cast<void>(kept.release());
  return show(view, owner);
}

std::string describe(const SharedMemory& shared) {
  const Memory memory = shared.now();
  return "<attractor.Memory " + memory.rule() + ": " + std::to_string(memory.pattern_count()) + " patterns of " +
         std::to_string(memory.dimension()) +
         (memory.content_dimension() > 0 ? ", contents of " + std::to_string(memory.content_dimension()) : "") +
         ", on " + memory.device().description() + ">";
}

void bind_linear(nb::class_<SharedMemory>& type) {
  const HebbianOptions hebb;
  type.def_static("hebbian", &hebbian, nb::arg("patterns"), nb::kw_only(),
                  nb::arg("self_coupling") = hebb.self_coupling, nb::arg("centred") = hebb.centred,
                  nb::arg("rate") = hebb.rate, nb::arg("decay") = hebb.decay, nb::arg("thresholds") = nb::none(),
                  nb::arg("evaluation") = "automatic", nb::arg("placement") = "automatic",
                  nb::arg("contents") = nb::none(), nb::arg("device") = nb::none(),
                  R"(Hebb's rule: W = AᵀA/D, zero diagonal; energy −½xᵀWx (Hopfield 1982).

patterns: [P, D], of ±1 with sign updates; finite, copied.
self_coupling: keep the diagonal of W.
centred: the covariance rule, patterns less their mean activity; for patterns with few active neurons.
rate, decay: learning rate > 0, and decay in (0, 1] of the weights with each pattern learned.
thresholds: [D], u = Wx − θ; none: 0.
evaluation: 'automatic', 'factored' (4PD operations a step) or 'dense' (2D²).
placement: 'automatic', 'resident' or 'streamed'; on CUDA devices.
contents: [P, M] read out at the end of a relaxation; none: auto-associative.
device: by default Device.best().)");
  const ProjectionOptions projections;
  type.def_static("projection", &projection, nb::arg("patterns"), nb::kw_only(),
                  nb::arg("self_coupling") = projections.self_coupling, nb::arg("ridge") = projections.ridge,
                  nb::arg("thresholds") = nb::none(), nb::arg("evaluation") = "automatic",
                  nb::arg("placement") = "automatic", nb::arg("contents") = nb::none(), nb::arg("device") = nb::none(),
                  R"(Projection (pseudo-inverse) rule: W = Aᵀ(AAᵀ)⁻¹A, zero diagonal; energy −½xᵀWx. Stores correlated
patterns (Personnaz, Guyon, Dreyfus 1985).

patterns: [P, D], finite, copied; with ridge 0 linearly independent, else DependentPatterns is raised.
ridge: λ ≥ 0 in Aᵀ(AAᵀ/D + λI)⁻¹A/D; above 0 any patterns will do.
Other arguments as `hebbian`.)");
  type.def_static(
      "storkey", &storkey, nb::arg("patterns"), nb::kw_only(), nb::arg("thresholds") = nb::none(),
      nb::arg("placement") = "automatic", nb::arg("device") = nb::none(),
      R"(Storkey's rule (1997): patterns [P, D] of about ±1 are learned one after another, each less what the
weights so far make of it; about D/√(2 ln D) are stored. Arguments as `hebbian`.)");
  type.def_static("bidirectional", &bidirectional, nb::arg("pairs"), nb::arg("first"), nb::kw_only(),
                  nb::arg("thresholds") = nb::none(), nb::arg("placement") = "automatic",
                  nb::arg("device") = nb::none(),
                  R"(Bidirectional associative memory (Kosko 1988): energy −xᵀWy of states [x | y].

pairs: [P, D], rows [ξ | η]; the first layer has `first` neurons, 1 to D − 1.
A query of which one layer is known has zeros for the other. Other arguments as `hebbian`.)");
}

void bind_pointwise(nb::class_<SharedMemory>& type) {
  const DenseAssociativeOptions dense;
  type.def_static("dense_associative", &dense_associative, nb::arg("patterns"), nb::kw_only(),
                  nb::arg("order") = dense.order, nb::arg("rectified") = dense.rectified,
                  nb::arg("contents") = nb::none(), nb::arg("device") = nb::none(),
                  R"(Dense associative memory (Krotov, Hopfield 2016): energy −D Σ hⁿ/n with the overlaps h = Ax/D.

patterns: [P, D], finite, copied.
order: n, 2 to 30. rectified: negative overlaps count for nothing.
contents: [P, M] read out at the end of a relaxation, Cᵀhⁿ⁻¹.)");
  type.def_static("minerva", &minerva, nb::arg("traces"), nb::kw_only(), nb::arg("contents") = nb::none(),
                  nb::arg("device") = nb::none(),
                  R"(Minerva 2 (Hintzman 1984, 1986): `recall` gives the echo Cᵀh³ and its intensity Σ h³, h = Ax/D.

traces: [P, D], features of ±1, or 0 for one that wasn't encoded. contents: [P, M].)");
}

void bind_normalised(nb::class_<SharedMemory>& type) {
  const ModernHopfieldOptions modern;
  type.def_static("modern_hopfield", &modern_hopfield, nb::arg("patterns"), nb::kw_only(),
                  nb::arg("beta") = modern.beta, nb::arg("similarity") = "dot", nb::arg("separation") = nb::none(),
                  nb::arg("storage") = "float32", nb::arg("log_prior") = nb::none(), nb::arg("contents") = nb::none(),
                  nb::arg("content_storage") = "float32", nb::arg("precision") = "full", nb::arg("device") = nb::none(),
                  R"(Modern Hopfield network (Ramsauer et al. 2020): readout p(s)ᵀA with the scores s = β sim(A, x) + b.

patterns: [P, D], finite, copied.
beta: inverse temperature > 0.
similarity: 'dot', 'squared_distance' (−½‖ξ − x‖²), 'manhattan' or 'cosine'.
separation: softmax() by default, sparsemax(), entmax(), normmax(), top() or, with distances, epanechnikov().
storage: what entries of patterns are kept as: 'float32', or on the CPU 'float16' or 'bfloat16', to which they are
rounded then.
log_prior: b [P]; −inf for patterns that are never retrieved.
contents: [P, M] read out at the end of a relaxation, p(s)ᵀC.
content_storage: as storage, of contents, which must be given unless it is 'float32'.
precision: of relaxations and recalls, 'full' or 'fast'. On CUDA devices of compute capability 8.0 and later fast scores
and readouts are products of float16, a half to a third of the work, right to about 1/1000; elsewhere they are full. For
softmax and dot products or squared distances.)");
  type.def_static(
      "exponential", &exponential, nb::arg("patterns"), nb::kw_only(), nb::arg("beta") = ExponentialOptions{}.beta,
      nb::arg("storage") = "float32", nb::arg("contents") = nb::none(), nb::arg("content_storage") = "float32",
      nb::arg("precision") = "full", nb::arg("device") = nb::none(),
      R"(Exponential associative memory (Demircigil et al. 2017): weights exp(βAx), divided by their sum, for
patterns [P, D] of ±1 and sign updates. contents: [P, M]. storage, content_storage, precision: as
`modern_hopfield`.)");
  type.def_static("adaptive", &adaptive, nb::arg("patterns"), nb::arg("similarity"), nb::kw_only(),
                  nb::arg("contents") = nb::none(), nb::arg("device") = nb::none(),
                  R"(Adaptive Hopfield network: readout softmax(s)ᵀA with the scores of an AdaptiveSimilarity, as
`fit_similarity` finds one (A-Hop, arXiv 2511.20609). patterns: [P, D]. contents: [P, M].)");
}

void bind_words(nb::class_<SharedMemory>& type) {
  type.def_static("make", &make, nb::arg("rule"), nb::arg("patterns"), nb::kw_only(),
                  nb::arg("thresholds") = nb::none(), nb::arg("log_prior") = nb::none(),
                  nb::arg("contents") = nb::none(), nb::arg("device") = nb::none(),
                  R"(A memory whose rule is given in words, as `rule` has it: 'hebbian', 'projection(ridge = 0.1)',
'modern_hopfield(beta = 8, separation = entmax(1.5))'. What isn't named has its default.

patterns: [P, D], finite, copied. thresholds: [D], log_prior: [P], contents: [P, M], where the rule has such.)");
}

void bind_changes(nb::class_<SharedMemory>& type) {
  type.def(
          "imprint", &imprint, nb::arg("patterns"), nb::arg("contents") = nb::none(),
          R"(Stores more patterns [Q, D] after those already there, and their contents [Q, M], which are given exactly if
the memory has some. Relaxers made before keep the memory as it was.)")
      .def("forget", &forget, nb::arg("indices"), "Removes the patterns with these indices; later ones move up.")
      .def(
          "replace", &replace, nb::arg("indices"), nb::arg("patterns"), nb::arg("contents") = nb::none(),
          R"(Puts others [Q, D], with contents [Q, M] exactly if the memory has some, in the places of the patterns with
these indices [Q], which keep their identifiers, at the cost of making the memory anew once.)")
      .def(
          "copy_to",
          [](const SharedMemory& self, const Device& device) {
            const Memory memory = self.now();
            return SharedMemory(unlocked([&] { return memory.copy_to(device); }));
          },
          nb::arg("device"), "The same memory on another device.")
      .def(
          "copy", [](const SharedMemory& self) { return SharedMemory(self.now()); },
          "A memory of its own; nothing is copied until one of them changes.")
      .def("__copy__", [](const SharedMemory& self) { return SharedMemory(self.now()); })
      .def(
          "__deepcopy__", [](const SharedMemory& self, nb::handle /*memo*/) { return SharedMemory(self.now()); },
          nb::arg("memo"));
}

void bind_queries(nb::class_<SharedMemory>& type) {
  type.def_prop_ro(
          "patterns", [](const SharedMemory& self) { return show_rows(self, &Memory::patterns); },
          "The stored patterns as given, [P, D]: a NumPy array of the memory's own, as it is now, that can't be "
          "written.")
      .def_prop_ro(
          "contents",
          [](const SharedMemory& self) {
            return self.now().content_dimension() == 0 ? std::optional<Result>() : show_rows(self, &Memory::contents);
          },
          "The contents as given, [P, M], as for `patterns`; None where the memory is auto-associative.")
      .def_prop_ro("identifiers", &identifiers,
                   "What patterns go by whatever becomes of others: int64 [P], a NumPy array that ascends. Patterns "
                   "that are imprinted get the next numbers; none is given twice.")
      .def(
          "index_of", [](const SharedMemory& self, Index identifier) { return self.now().index_of(identifier); },
          nb::arg("identifier"),
          "The index of the pattern that goes by this identifier; −1 if the memory has it no more, or never had.")
      .def_prop_ro(
          "dimension", [](const SharedMemory& self) { return self.now().dimension(); }, "D.")
      .def_prop_ro(
          "pattern_count", [](const SharedMemory& self) { return self.now().pattern_count(); }, "P.")
      .def_prop_ro(
          "content_dimension", [](const SharedMemory& self) { return self.now().content_dimension(); },
          "M, 0 where the memory is auto-associative.")
      .def_prop_ro("device", [](const SharedMemory& self) { return self.now().device(); })
      .def_prop_ro(
          "similarity",
          [](const SharedMemory& self) -> std::optional<RankedSimilarity> {
            const Memory memory = self.now();
            const AdaptiveSimilarity* const similarity = memory.similarity();
            if (similarity == nullptr) return std::nullopt;
            return RankedSimilarity{*similarity, rank_count(memory.dimension(), similarity->groups)};
          },
          "The similarity of an adaptive memory; None for others.")
      .def_prop_ro(
          "rule", [](const SharedMemory& self) { return self.now().rule(); },
          "The rule and its parameters, as \"exponential(beta = 1, storage = float32, content_storage = float32, "
          "precision = full)\"; "
          "`make` takes it, but for adaptive memories.")
      .def_prop_ro(
          "kind", [](const SharedMemory& self) { return std::string(self.now().kind()); },
          "The rule's name alone, that of the function that makes such memories.")
      .def_prop_ro(
          "is_normalised", [](const SharedMemory& self) { return self.now().is_normalised(); },
          "Whether weights sum to 1, so that `retrieve` works; else asynchronous sign updates do.")
      .def_prop_ro(
          "evaluation", [](const SharedMemory& self) { return name_of(self.now().evaluation()); },
          "The form in use: 'factored' or 'dense'.")
      .def("__len__", [](const SharedMemory& self) { return self.now().pattern_count(); })
      .def("__repr__", describe);
}

}  // namespace

void check_ranks(const RankedSimilarity& similarity, Index dimension) {
  const Index groups = similarity.value.groups;
  if (groups < 1 || groups > dimension || similarity.ranks == 0) return;  // The library says what is wrong.
  const Index ranks = rank_count(dimension, groups);
  if (similarity.ranks != ranks)
    throw InvalidArgument("a similarity has rank weights for " + std::to_string(similarity.ranks) +
                          " ranks; a dimension of " + std::to_string(dimension) + " has " + std::to_string(ranks));
}

void bind_memories(nb::module_& module) {
  nb::class_<SharedMemory> memory(module, "Memory",
                                  R"(A set of stored patterns together with the energy they are attractors of.

Made by one of the static functions. Any number of threads may use a memory, and change it, at once: a call goes by what
it is when the call begins.)");
  bind_linear(memory);
  bind_pointwise(memory);
  bind_normalised(memory);
  bind_words(memory);
  bind_changes(memory);
  bind_queries(memory);
}

}  // namespace attractor::python
