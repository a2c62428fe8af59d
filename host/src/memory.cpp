#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <attractor/error.hpp>

#include "host/src/access.hpp"
#include "host/src/cuda_backend.hpp"
#include "host/src/form_maker.hpp"
#include "host/src/host_memory.hpp"
#include "host/src/linear_rules.hpp"
#include "host/src/memory_state.hpp"
#include "host/src/rows.hpp"
#include "host/src/rule_text.hpp"
#include "host/src/softmax_rules.hpp"
#include "host/src/validation.hpp"

namespace attractor {
namespace detail {
namespace {

/// The contents, if there are any.
Rows take_contents(const Device& device, MatrixView<const float> contents, Index pattern_count) {
  if (!are_given(contents)) return {};
  check_content_rows(contents, pattern_count);
  return {device, contents, "contents"};
}

/// How rows that a device keeps come to the host.
using Fetch = std::function<void(MatrixView<float>)>;

/// Of rows on a device that no engine keeps as they are: from a copy there.
Fetch fetch_from_copy(const Rows& rows, const std::string& what) {
  if (!rows.cuda_device()) return {};
  const int device = *rows.cuda_device();
  // Shared, since a std::function must be copyable.
  const std::shared_ptr<const PlacedMatrix> copy = cuda_copy(device, rows.view(), what);
  return [=](MatrixView<float> to) { cuda_fetch_to(device, copy->view(), to, what); };
}

/// Rows that are kept here unless the engine has them as they are.
StoredRows store(Rows rows, const cpu::PackedMatrix* kept, Fetch fetch = {}) {
  if (rows.cuda_device()) return {rows.view().rows, rows.view().columns, std::move(fetch)};
  return kept != nullptr && !rows.view().empty() ? StoredRows(*kept) : StoredRows(std::move(rows).take());
}

PatternStatistics statistics_of(const Rows& patterns) {
  return patterns.cuda_device() ? cuda_statistics(*patterns.cuda_device(), patterns)
                                : PatternStatistics(patterns.view());
}

/// The form that is cheaper without patterns, or the one asked for.
Evaluation evaluation_without_patterns(const Rule& rule) {
  return std::visit(
      [](const auto& kind) {
        if constexpr (requires { kind.evaluation; })
          return kind.evaluation == Evaluation::dense ? Evaluation::dense : Evaluation::factored;
        return TraitsOf<decltype(kind)>::weighs_patterns ? Evaluation::factored : Evaluation::dense;
      },
      rule);
}

/// Without patterns all kinds of memories are alike, on all devices.
std::shared_ptr<MemoryState> make_empty_state(const Device& device, const Rule& rule, Rows patterns, Rows contents,
                                              Identifiers identifiers) {
  const Index columns = contents.view().columns > 0 ? contents.view().columns : patterns.view().columns;
  // NOLINTNEXTLINE(modernize-make-shared): as in make_state
  return std::shared_ptr<MemoryState>(new MemoryState{.device = device,
                                                      .rule = rule,
                                                      .statistics = PatternStatistics(patterns.view()),
                                                      .evaluation = evaluation_without_patterns(rule),
                                                      .engine = make_empty_engine(columns),
                                                      .projection = {},
                                                      .storkey = {},
                                                      .patterns = store(std::move(patterns), nullptr),
                                                      .contents = store(std::move(contents), nullptr),
                                                      .identifiers = std::move(identifiers)});
}

std::unique_ptr<Engine> make_engine(const Device& device, Form form) {
  if (device.kind() != Device::Kind::cuda) return make_cpu_engine(form);
  Matrix<float> own;
  if (auto* const pointwise = std::get_if<PointwiseForm>(&form)) {
    if (pointwise->first_layer > 0) {
      own = weights(*pointwise);
      pointwise->factor = {};
      pointwise->weights = own;
    }
    pointwise->resolution = resolution_of(*pointwise);
  }
  return make_cuda_engine(form, device.index());
}

/// `changes`: patterns have come or gone, and more may be expected to.
std::shared_ptr<MemoryState> make_state(const Device& device, const Rule& rule, Rows patterns, Rows contents,
                                        Identifiers identifiers, bool changes = false) {
  if (patterns.view().rows == 0)
    return make_empty_state(device, rule, std::move(patterns), std::move(contents), std::move(identifiers));
  PatternStatistics statistics = statistics_of(patterns);
  const std::optional<int> home = patterns.cuda_device();
  if (!home || !takes_patterns_on_device(rule, statistics, *home)) {
    patterns = on_host(std::move(patterns), "patterns");
    contents = on_host(std::move(contents), "contents");
  }
  Projection projection;
  Storkey storkey;
  MadeMatrices made{.projection = &projection,
                    .storkey = &storkey,
                    .patterns = MadeRows(patterns.cuda_device()),
                    .contents = MadeRows(contents.cuda_device())};
  const Form form = make_form(rule, statistics, patterns.view(), contents.view(), made);
  const auto* const pointwise = std::get_if<PointwiseForm>(&form);
  std::unique_ptr<Engine> engine = make_engine(device, form);
  // They are several times as large as what relaxes, so that only memories that change in place have them.
  const bool keeps = changes && device.kind() == Device::Kind::cpu && pointwise != nullptr;
  const bool keeps_projection = keeps && pointwise->evaluation == Evaluation::factored;
  const cpu::PackedMatrix* const kept_patterns = made.patterns.is_empty() ? engine->patterns() : nullptr;
  const cpu::PackedMatrix* const kept_contents = made.contents.is_empty() ? engine->contents() : nullptr;
  const Engine& keeper = *engine;
  const bool sums = pointwise != nullptr && pointwise->evaluation == Evaluation::dense;
  Fetch fetch_patterns = [&keeper](MatrixView<float> to) { keeper.fetch_patterns(to); };
  Fetch fetch_contents = [&keeper](MatrixView<float> to) { keeper.fetch_contents(to); };
  if (sums || !made.patterns.is_empty()) fetch_patterns = fetch_from_copy(patterns, "patterns");
  if (sums || !made.contents.is_empty()) fetch_contents = fetch_from_copy(contents, "contents");
  // NOLINTNEXTLINE(modernize-make-shared): not every compiler makes aggregates from arguments in parentheses
  return std::shared_ptr<MemoryState>(
      new MemoryState{.device = device,
                      .rule = rule,
                      .statistics = std::move(statistics),
                      .evaluation = pointwise != nullptr ? pointwise->evaluation : Evaluation::factored,
                      .engine = std::move(engine),
                      .projection = keeps_projection ? std::move(projection) : Projection(),
                      .storkey = keeps ? std::move(storkey) : Storkey(),
                      .patterns = store(std::move(patterns), kept_patterns, std::move(fetch_patterns)),
                      .contents = store(std::move(contents), kept_contents, std::move(fetch_contents)),
                      .identifiers = std::move(identifiers)});
}

/// Whether the patterns have rows of weights of their own.
bool has_weight_rows(const Rule& rule, Index dimension) {
  const auto* const similarity = std::get_if<AdaptiveSimilarity>(&rule);
  if (similarity == nullptr) return false;
  const auto ranks = static_cast<std::size_t>(rank_count(dimension, similarity->groups));
  return similarity->squared_distance.size() > ranks || similarity->dot.size() > ranks;
}

/// Whether the patterns have rows of weights, or priors, of their own.
bool has_rows(const Rule& rule, Index dimension) {
  const std::vector<float>* const log_prior = log_prior_of(rule);
  return (log_prior != nullptr && !log_prior->empty()) || has_weight_rows(rule, dimension);
}

/// Whether the engine has no more of the patterns than weights that are sums over them.
bool is_dense(const MemoryState& state) {
  return state.evaluation == Evaluation::dense && state.device.kind() == Device::Kind::cpu &&
         state.patterns.count() > 0;
}

/// Whether the engine has what is stored, or what became of each pattern or of all.
bool is_in_place(const MemoryState& state) {
  if (std::holds_alternative<StorkeyOptions>(state.rule)) return state.storkey.count() > 0;
  if (state.projection.count() > 0 || is_dense(state)) return true;
  return state.patterns.is_packed() && (state.contents.columns() == 0 || state.contents.is_packed());
}

/// What is stored, where the rule's patterns go on from it.
MatrixView<const float> stored_before(const MemoryState& state) {
  return state.projection.count() > 0 ? state.patterns.view() : MatrixView<const float>();
}

/// Leaves the first patterns of those that the engine doesn't keep.
void truncate(MemoryState& state, Index count) noexcept {
  state.projection.truncate(count);
  state.patterns.truncate(count);
  state.contents.truncate(count);
}

/// After the engine has taken patterns in or out.
void change(MemoryState& state, PatternStatistics statistics) noexcept {
  state.statistics = std::move(statistics);
  state.patterns.change();
  if (state.contents.columns() > 0) state.contents.change();
}

/// Whether no copy and no relaxer has this state, nor reads it any more.
bool is_held_once(const std::shared_ptr<MemoryState>& state) {
  if (state.use_count() != 1) return false;
  // To hold it once more and let go, as others did, comes after all that they read; to look at the count does not.
  std::shared_ptr<MemoryState>(state).reset();
  return true;
}

/// One that nobody else holds.
std::shared_ptr<MemoryState> copy_of(const MemoryState& state) {
  std::unique_ptr<Engine> engine = state.engine->copy();
  const cpu::PackedMatrix* const patterns = state.patterns.is_packed() ? engine->patterns() : nullptr;
  const cpu::PackedMatrix* const contents = state.contents.is_packed() ? engine->contents() : nullptr;
  // NOLINTNEXTLINE(modernize-make-shared): as in make_state
  return std::shared_ptr<MemoryState>(
      new MemoryState{.device = state.device,
                      .rule = state.rule,
                      .statistics = state.statistics,
                      .evaluation = state.evaluation,
                      .engine = std::move(engine),
                      .projection = state.projection,
                      .storkey = state.storkey,
                      .patterns = patterns != nullptr ? StoredRows(*patterns) : StoredRows(state.patterns.copy()),
                      .contents = contents != nullptr ? StoredRows(*contents) : StoredRows(state.contents.copy()),
                      .identifiers = state.identifiers});
}

/// The same state for a memory to change: a copy if others hold it.
std::shared_ptr<MemoryState> own(const std::shared_ptr<MemoryState>& state) {
  return is_held_once(state) ? state : copy_of(*state);
}

/// Whether patterns may come and go in place: in a copy of what others hold, where that is less than making it anew.
bool may_change(const std::shared_ptr<MemoryState>& state) {
  if (!is_in_place(*state)) return false;
  return is_dense(*state) || state->projection.count() > 0 || is_held_once(state);
}

/// Adds patterns in time for these alone, where what the engine has of the old ones stays as it is.
bool append(std::shared_ptr<MemoryState>& memory, MatrixView<const float> patterns, MatrixView<const float> contents) {
  if (!may_change(memory)) return false;
  PatternStatistics statistics = memory->statistics;
  statistics.add(patterns);
  if (!keeps_patterns(memory->rule, memory->statistics, statistics)) return false;
  const std::shared_ptr<MemoryState> changed = own(memory);
  MemoryState& state = *changed;
  const Index count = state.patterns.count();
  Storkey storkey = state.storkey;
  try {
    state.identifiers.make_room(patterns.rows);
    state.patterns.append(patterns);
    state.contents.append(contents);
    // What was given may have been a view of what has just moved.
    const auto newest = [&](const StoredRows& rows, MatrixView<const float> given) {
      return rows.is_packed() ? given : rows.view().slice(rows.count() - given.rows, given.rows);
    };
    MadeMatrices made{.projection = &state.projection, .storkey = &storkey, .stored = stored_before(state)};
    const Form form =
        make_form(state.rule, statistics, newest(state.patterns, patterns), newest(state.contents, contents), made);
    if (!state.engine->append(form)) {
      truncate(state, count);
      return false;
    }
  } catch (...) {
    truncate(state, count);
    throw;
  }
  state.storkey = std::move(storkey);
  state.identifiers.append(patterns.rows);
  change(state, std::move(statistics));
  memory = changed;
  return true;
}

/// Takes some patterns out of what the engine has.
bool remove_from_engine(MemoryState& state, const PatternStatistics& left, std::span<const Index> patterns) {
  MadeMatrices made{.projection = &state.projection, .storkey = &state.storkey, .stored = stored_before(state)};
  if (is_dense(state)) {
    const std::vector<Index> rows(patterns.begin(), patterns.end());
    const Matrix<float> gone = select_rows(state.patterns.view(), rows);
    const Matrix<float> contents =
        state.contents.columns() == 0 ? Matrix<float>() : select_rows(state.contents.view(), rows);
    return state.engine->subtract(make_form(state.rule, left, gone, contents, made));
  }
  const MatrixView<const float> no_patterns(nullptr, 0, state.patterns.columns());
  const MatrixView<const float> no_contents(nullptr, 0, state.contents.columns());
  state.engine->append(make_form(state.rule, left, no_patterns, no_contents, made));
  state.engine->remove(patterns);
  return true;
}

/// The others of `count` patterns.
std::vector<Index> all_but(std::span<const Index> ascending, Index count) {
  std::vector<Index> result;
  auto next = ascending.begin();
  for (Index i = 0; i < count; ++i)
    if (next != ascending.end() && *next == i)
      ++next;
    else
      result.push_back(i);
  return result;
}

Identifiers without(Identifiers identifiers, std::span<const Index> patterns) {
  identifiers.make_room(0);
  identifiers.remove(patterns);
  return identifiers;
}

bool remove(std::shared_ptr<MemoryState>& memory, std::span<const Index> patterns);

/// The same for projection memories: what they make of a pattern depends on those before it, so that those after the
/// first one that goes are learned anew.
bool learn_later_ones(std::shared_ptr<MemoryState>& memory, std::span<const Index> patterns) {
  const Index first = patterns.front();
  if (first == 0) return false;
  const Index count = memory->patterns.count();
  std::vector<Index> later = all_but(patterns, count);
  later.erase(later.begin(), later.begin() + first);
  const Matrix<float> rows = select_rows(memory->patterns.view(), later);
  const Matrix<float> contents =
      memory->contents.columns() == 0 ? Matrix<float>() : select_rows(memory->contents.view(), later);
  std::vector<Index> from_first(static_cast<std::size_t>(count - first));
  std::iota(from_first.begin(), from_first.end(), first);
  Identifiers identifiers = without(memory->identifiers, patterns);
  std::shared_ptr<MemoryState> changed = copy_of(*memory);
  if (!remove(changed, from_first) || !append(changed, rows, contents)) return false;
  changed->identifiers = std::move(identifiers);
  memory = std::move(changed);
  return true;
}

/// Takes some patterns out, which ascend, where what the engine has of the others stays as it is.
bool remove(std::shared_ptr<MemoryState>& memory, std::span<const Index> patterns) {
  if (!may_change(memory) || has_rows(memory->rule, memory->patterns.columns())) return false;
  const Index left = memory->patterns.count() - static_cast<Index>(patterns.size());
  if (memory->projection.count() > 0 && patterns.front() < left) return learn_later_ones(memory, patterns);
  PatternStatistics statistics = memory->statistics;
  statistics.remove(patterns, memory->patterns);
  if (!keeps_patterns(memory->rule, memory->statistics, statistics)) return false;
  const std::shared_ptr<MemoryState> changed = own(memory);
  MemoryState& state = *changed;
  state.identifiers.make_room(0);
  if (!remove_from_engine(state, statistics, patterns)) return false;
  state.projection.truncate(left);
  state.patterns.remove(patterns);
  if (state.contents.columns() > 0) state.contents.remove(patterns);
  state.identifiers.remove(patterns);
  change(state, std::move(statistics));
  memory = changed;
  return true;
}

/// The rule without what a memory keeps apart from it.
Rule without_contents(Rule rule) {
  std::visit(
      [](auto& kind) {
        if constexpr (requires { kind.contents; }) kind.contents = {};
      },
      rule);
  return rule;
}

/// Whether what a rule has for each pattern or neuron is for so many patterns of this dimension.
void check_arrays(const Rule& rule, Index pattern_count, Index dimension) {
  if (const auto* const similarity = std::get_if<AdaptiveSimilarity>(&rule))
    check_similarity(*similarity, pattern_count, dimension);
  if (const std::vector<float>* const log_prior = log_prior_of(rule)) check_log_prior(*log_prior, pattern_count);
  if (const std::vector<float>* const thresholds = thresholds_of(rule)) check_thresholds(*thresholds, dimension);
  if (const auto* const layers = std::get_if<BidirectionalOptions>(&rule)) check_layers(layers->first, dimension);
}

/// The same on every device: else a memory couldn't go from one to another.
void check_placement(const Rule& rule) {
  const std::vector<float>* const thresholds = thresholds_of(rule);
  if (thresholds == nullptr || thresholds->empty()) return;
  std::visit(
      [](const auto& kind) {
        if constexpr (requires { kind.placement; })
          if (kind.placement == Placement::resident)
            throw NotSupported(
                "a linear memory with thresholds can't be resident; its placement must be automatic or streamed");
      },
      rule);
}

/// Before anything is made for that device.
void check_storage(const Device& device, const Rule& rule) {
  if (device.kind() != Device::Kind::cuda) return;
  const auto check = [](const std::string& what, PatternStorage storage, const std::string& option) {
    if (storage != PatternStorage::float32)
      throw NotSupported(what + " are stored as " + to_text(storage) +
                         " on the CPU only; on a CUDA device the memory's " + option + " must be float32");
  };
  check("patterns", storage_of(rule), "storage");
  check("contents", content_storage_of(rule), "content_storage");
}

/// Whether there are contents only where a rule reads them out, and some where it says how they are stored.
void check_contents(const Rule& rule, MatrixView<const float> contents) {
  const bool given = are_given(contents);
  if (given && !weighs_patterns(rule))
    throw InvalidArgument("a " + std::string(name_of(rule)) +
                          " memory has no weights of patterns to read contents out by; " +
                          std::to_string(contents.rows) + " rows of them were given");
  if (!given && content_storage_of(rule) != PatternStorage::float32)
    throw InvalidArgument("contents are to be stored as " + to_text(content_storage_of(rule)) +
                          ", and none were given; without contents content_storage must be float32");
}

void check_separation(const Rule& rule) {
  const auto* const options = std::get_if<ModernHopfieldOptions>(&rule);
  if (options == nullptr || !takes_absolute_scores(options->separation)) return;
  if (options->similarity != Similarity::squared_distance && options->similarity != Similarity::manhattan)
    throw InvalidArgument(
        "the separation " + to_text(options->separation) +
        " goes by how far patterns are: the similarity must be squared_distance or manhattan; it is " +
        to_text(options->similarity));
}

/// Fast products are those of a softmax memory's scan.
void check_precision(const Rule& rule) {
  const auto* const options = std::get_if<ModernHopfieldOptions>(&rule);
  if (options == nullptr || options->precision == ProductPrecision::full) return;
  const std::string wanted = "the precision fast is for softmax over dot products or squared distances; the ";
  if (!std::holds_alternative<SoftmaxSeparation>(options->separation))
    throw InvalidArgument(wanted + "separation is " + to_text(options->separation));
  if (options->similarity != Similarity::dot && options->similarity != Similarity::squared_distance)
    throw InvalidArgument(wanted + "similarity is " + to_text(options->similarity));
}

/// The rows of `values` with these indices; values that are shared by all `row_count` rows stay.
std::vector<float> select(const std::vector<float>& values, Index row_length, Index row_count,
                          const std::vector<Index>& rows) {
  if (row_count == 1 || static_cast<Index>(values.size()) != row_length * row_count) return values;
  std::vector<float> result;
  for (const Index row : rows)
    result.insert(result.end(), values.begin() + row * row_length, values.begin() + (row + 1) * row_length);
  return result;
}

/// A memory's rule once only these of its `count` patterns are left.
Rule select(Rule rule, Index count, Index dimension, const std::vector<Index>& rows) {
  if (auto* const similarity = std::get_if<AdaptiveSimilarity>(&rule)) {
    const Index ranks = rank_count(dimension, similarity->groups);
    similarity->squared_distance = select(similarity->squared_distance, ranks, count, rows);
    similarity->dot = select(similarity->dot, ranks, count, rows);
  }
  std::visit(
      [&](auto& kind) {
        if constexpr (requires { kind.log_prior; })
          kind.log_prior = rows.empty() ? std::vector<float>() : select(kind.log_prior, 1, count, rows);
      },
      rule);
  return rule;
}

/// Patterns of a memory that are each named once. `done`: what can't be done with others.
void check_indices(std::span<const Index> ascending, Index count, const char* done) {
  for (const Index index : ascending)
    if (index < 0 || index >= count)
      throw InvalidArgument("pattern " + std::to_string(index) + " can't be " + done + ": the memory has " +
                            std::to_string(count) + " patterns");
  const auto twice = std::adjacent_find(ascending.begin(), ascending.end());
  if (twice != ascending.end()) throw InvalidArgument("pattern " + std::to_string(*twice) + " is named twice");
}

std::vector<Index> sorted(std::span<const Index> indices) {
  check_on_host(indices, "indices");
  std::vector<Index> result(indices.begin(), indices.end());
  std::sort(result.begin(), result.end());
  return result;
}

/// Patterns and contents that a memory is to take.
struct Newcomers {
  Rows patterns;
  Rows contents;
};

/// As they will be stored.
Newcomers take_newcomers(const MemoryState& state, MatrixView<const float> patterns, MatrixView<const float> contents) {
  Rows given_patterns = on_host({state.device, patterns, "patterns"}, "patterns");
  if (patterns.columns != state.patterns.columns())
    throw InvalidArgument("patterns have " + std::to_string(patterns.columns) + " columns, the memory's dimension is " +
                          std::to_string(state.patterns.columns()));
  const Index content_columns = state.contents.columns();
  const bool given = are_given(contents);
  if (given != (content_columns > 0))
    throw InvalidArgument(given ? "contents were given, but the memory has none"
                                : "the memory has contents; none were given");
  Rows given_contents = on_host(take_contents(state.device, contents, patterns.rows), "contents");
  if (given && contents.columns != content_columns)
    throw InvalidArgument("contents have " + std::to_string(contents.columns) + " columns, those of the memory " +
                          std::to_string(content_columns));
  return {.patterns = rounded(std::move(given_patterns), storage_of(state.rule), "patterns"),
          .contents = rounded(std::move(given_contents), content_storage_of(state.rule), "contents")};
}

/// These rows with others in some places.
Matrix<float> with_rows(Matrix<float> rows, std::span<const Index> places, MatrixView<const float> others) {
  for (Index i = 0; i < others.rows; ++i)
    std::copy_n(others.row(i), others.columns, rows.view().row(places[static_cast<std::size_t>(i)]));
  return rows;
}

}  // namespace
}  // namespace detail

Memory::Memory(std::shared_ptr<detail::MemoryState> state) : state_(std::move(state)) {}

Memory detail::Access::make(const Device& device, const Rule& rule, MatrixView<const float> patterns,
                            MatrixView<const float> contents, std::optional<Identifiers> identifiers) {
  check_parameters(rule);
  check_separation(rule);
  check_precision(rule);
  check_storage(device, rule);
  check_contents(rule, contents);
  Rows own(device, patterns, "patterns");
  check_arrays(rule, patterns.rows, patterns.columns);
  check_placement(rule);
  Rows own_contents = take_contents(device, contents, patterns.rows);
  own = rounded(std::move(own), storage_of(rule), "patterns");
  own_contents = rounded(std::move(own_contents), content_storage_of(rule), "contents");
  return Memory(make_state(device, without_contents(rule), std::move(own), std::move(own_contents),
                           std::move(identifiers).value_or(Identifiers(patterns.rows))));
}

Memory Memory::hebbian(const Device& device, MatrixView<const float> patterns, const HebbianOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::projection(const Device& device, MatrixView<const float> patterns, const ProjectionOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::storkey(const Device& device, MatrixView<const float> patterns, const StorkeyOptions& options) {
  return detail::Access::make(device, options, patterns, {});
}

Memory Memory::bidirectional(const Device& device, MatrixView<const float> pairs, const BidirectionalOptions& options) {
  return detail::Access::make(device, options, pairs, {});
}

Memory Memory::dense_associative(const Device& device, MatrixView<const float> patterns,
                                 const DenseAssociativeOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::minerva(const Device& device, MatrixView<const float> traces, const MinervaOptions& options) {
  return detail::Access::make(device, options, traces, options.contents);
}

Memory Memory::modern_hopfield(const Device& device, MatrixView<const float> patterns,
                               const ModernHopfieldOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::exponential(const Device& device, MatrixView<const float> patterns, const ExponentialOptions& options) {
  return detail::Access::make(device, options, patterns, options.contents);
}

Memory Memory::adaptive(const Device& device, MatrixView<const float> patterns, const AdaptiveSimilarity& similarity,
                        const AdaptiveOptions& options) {
  return detail::Access::make(device, similarity, patterns, options.contents);
}

Memory Memory::make(const Device& device, std::string_view rule, MatrixView<const float> patterns,
                    const RuleArrays& arrays) {
  detail::Rule read = detail::read_rule(rule);
  detail::set_arrays(read, arrays);
  return detail::Access::make(device, read, patterns, arrays.contents);
}

void Memory::imprint(MatrixView<const float> new_patterns, MatrixView<const float> new_contents) {
  const detail::Newcomers newcomers = detail::take_newcomers(*state_, new_patterns, new_contents);
  if (detail::has_rows(state_->rule, dimension()))
    throw NotSupported("the memory has weights or priors for each of its " + std::to_string(pattern_count()) +
                       " patterns, and none for new ones; make it anew");
  if (new_patterns.rows == 0) return;
  if (detail::append(state_, newcomers.patterns.view(), newcomers.contents.view())) return;
  detail::Identifiers identifiers = state_->identifiers;
  identifiers.make_room(new_patterns.rows);
  identifiers.append(new_patterns.rows);
  state_ = detail::make_state(
      state_->device, state_->rule, detail::stack(state_->patterns.copy(), newcomers.patterns.view()),
      detail::stack(state_->contents.copy(), newcomers.contents.view()), std::move(identifiers), true);
}

void Memory::forget(std::span<const Index> indices) {
  const std::vector<Index> forgotten = detail::sorted(indices);
  detail::check_indices(forgotten, pattern_count(), "forgotten");
  const auto left = pattern_count() - static_cast<Index>(forgotten.size());
  if (left == pattern_count()) return;
  if (left > 0 && detail::remove(state_, forgotten)) return;
  if (left == 0 && detail::has_weight_rows(state_->rule, dimension()))
    throw NotSupported("all " + std::to_string(pattern_count()) +
                       " patterns would be forgotten, and with them all rank weights, of which each has its own");
  const std::vector<Index> kept = detail::all_but(forgotten, pattern_count());
  const detail::Rule rule = detail::select(state_->rule, pattern_count(), dimension(), kept);
  // Of those left, one must have some probability.
  detail::check_arrays(rule, left, dimension());
  state_ = detail::make_state(
      state_->device, rule, detail::select_rows(state_->patterns.copy(), kept),
      content_dimension() == 0 ? Matrix<float>() : detail::select_rows(state_->contents.copy(), kept),
      detail::without(state_->identifiers, forgotten), true);
}

void Memory::replace(std::span<const Index> indices, MatrixView<const float> new_patterns,
                     MatrixView<const float> new_contents) {
  detail::check_indices(detail::sorted(indices), pattern_count(), "replaced");
  const detail::Newcomers newcomers = detail::take_newcomers(*state_, new_patterns, new_contents);
  if (new_patterns.rows != static_cast<Index>(indices.size()))
    throw InvalidArgument(std::to_string(new_patterns.rows) + " patterns were given to replace " +
                          std::to_string(indices.size()));
  if (indices.empty()) return;
  state_ = detail::make_state(
      state_->device, state_->rule, detail::with_rows(state_->patterns.copy(), indices, newcomers.patterns.view()),
      detail::with_rows(state_->contents.copy(), indices, newcomers.contents.view()), state_->identifiers, true);
}

Index Memory::identifier_of(Index index) const {
  if (index < 0 || index >= pattern_count())
    throw InvalidArgument("there is no pattern " + std::to_string(index) + ": the memory has " +
                          std::to_string(pattern_count()));
  return state_->identifiers[index];
}

Index Memory::index_of(Index identifier) const { return state_->identifiers.index_of(identifier); }

MatrixView<const float> Memory::patterns() const { return state_->patterns.view(); }
MatrixView<const float> Memory::contents() const { return state_->contents.view(); }
Index Memory::dimension() const { return state_->patterns.columns(); }
Index Memory::content_dimension() const { return state_->contents.columns(); }
Index Memory::pattern_count() const { return state_->patterns.count(); }
const Device& Memory::device() const { return state_->device; }

const AdaptiveSimilarity* Memory::similarity() const { return std::get_if<AdaptiveSimilarity>(&state_->rule); }

std::string Memory::rule() const { return detail::describe(state_->rule); }

std::string_view Memory::kind() const { return detail::name_of(state_->rule); }

bool Memory::is_normalised() const { return detail::is_normalised(state_->rule); }

Update Memory::default_update() const { return detail::default_update(state_->rule); }

Evaluation Memory::evaluation() const { return state_->evaluation; }

Memory Memory::copy_to(const Device& target) const {
  if (target == device()) return *this;
  detail::check_storage(target, state_->rule);
  return Memory(
      detail::make_state(target, state_->rule, state_->patterns.copy(), state_->contents.copy(), state_->identifiers));
}

}  // namespace attractor
