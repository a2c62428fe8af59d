#include "host/src/validation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <variant>
#include <vector>

#include <attractor/error.hpp>

#include "core/sign_updates.hpp"
#include "host/src/host_memory.hpp"
#include "kernels/cpu/engine/threads.hpp"

namespace attractor::detail {
namespace {

/// For what isn't checked in every call: the message is made whether or not it is needed, which takes a small call's
/// time.
void require(bool condition, const std::string& message) {
  if (!condition) throw InvalidArgument(message);
}

std::string shape(Index rows, Index columns) {
  return std::string("[").append(std::to_string(rows)).append(", ").append(std::to_string(columns)).append("]");
}

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", value);
  return text.data();
}

bool is_non_negative(float value) { return std::isfinite(value) && value >= 0.0F; }

/// What lies between the beginnings of two rows, at least.
template <class T>
Index least_stride(MatrixView<T> matrix) {
  return matrix.columns;
}
template <class T>
Index least_stride(BitView<T> bits) {
  return bytes_of_bits(bits.columns);
}

template <class T>
std::string row_text(MatrixView<T> matrix) {
  return "their " + std::to_string(matrix.columns) + " columns";
}
template <class T>
std::string row_text(BitView<T> bits) {
  return "the " + std::to_string(least_stride(bits)) + " bytes of their " + std::to_string(bits.columns) + " columns";
}

/// Shape, data and stride of a matrix that may have no rows.
template <class View>
void check_layout(View matrix, const std::string& what) {
  if (matrix.rows < 0 || matrix.columns < 1)
    throw InvalidArgument(what + " have the shape " + shape(matrix.rows, matrix.columns) +
                          "; columns must be positive, and rows not negative");
  if (matrix.row_stride < least_stride(matrix))
    throw InvalidArgument(what + " have a row stride of " + std::to_string(matrix.row_stride) + ", below " +
                          row_text(matrix));
  constexpr Index limit = std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(double));
  if (matrix.rows > limit / matrix.row_stride)
    throw InvalidArgument(what + " of shape " + shape(matrix.rows, matrix.columns) + " are larger than memory can be");
  if (matrix.data == nullptr && matrix.rows != 0) throw InvalidArgument(what + " have null data");
}

void check_layout(const QueryView& rows, const std::string& what) {
  std::visit([&](const auto& view) { check_layout(view, what); }, rows.formats());
}

/// A row for each query, or one for all, as a view of one for each.
template <class T>
MatrixView<T> pattern_rows(MatrixView<T> matrix, const std::string& what, Index query_count, Index pattern_count) {
  if (matrix.data == nullptr && matrix.empty()) return {};
  if (pattern_count > 0) check_layout(matrix, what);
  if (matrix.columns != pattern_count || (matrix.rows != 1 && matrix.rows != query_count))
    throw InvalidArgument(what + " have the shape " + shape(matrix.rows, matrix.columns) + "; it must be " +
                          shape(1, pattern_count) + " or " + shape(query_count, pattern_count));
  if (pattern_count == 0) return {};
  return {matrix.data, query_count, pattern_count, matrix.rows == query_count ? matrix.row_stride : 0};
}

struct UpdateCheck {
  void operator()(const TanhUpdate& update) const {
    require(is_non_negative(update.gain),
            "the tanh update's gain is " + number(update.gain) + "; it must be finite and not negative");
  }
  void operator()(const BlendUpdate& update) const {
    require(update.rate > 0.0F && update.rate <= 1.0F,
            "the blend update's rate is " + number(update.rate) + "; it must be in (0, 1]");
  }
  void operator()(const SignUpdate& update) const {
    require(update.at_zero <= AtZero::plus, "the sign update's at_zero is " +
                                                std::to_string(static_cast<int>(update.at_zero)) +
                                                "; it must be AtZero::keep, zero or plus");
  }
  void operator()(const AsynchronousSignUpdate& update) const {
    require(update.at_zero == AtZero::keep || update.at_zero == AtZero::plus,
            "the asynchronous sign update's at_zero is " + std::to_string(static_cast<int>(update.at_zero)) +
                "; it must be AtZero::keep or plus, for a neuron that is 0 has no other state to flip to");
  }
  void operator()(const ReadoutUpdate& /*update*/) const {}
};

/// A stretch of memory with a name.
struct Region {
  std::string name;
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

template <class View>
Region region(const std::string& name, View matrix) {
  if (matrix.data == nullptr || matrix.empty()) return {name};
  const auto begin = reinterpret_cast<std::uintptr_t>(matrix.data);  // NOLINT: addresses are what is compared
  const Index elements = (matrix.rows - 1) * matrix.row_stride + least_stride(matrix);
  return {name, begin, begin + static_cast<std::uintptr_t>(elements) * sizeof(*matrix.data)};
}

Region region(const std::string& name, const QueryView& queries) {
  return std::visit([&](auto rows) { return region(name, rows); }, queries.formats());
}

template <class T>
Region region(const std::string& name, std::span<T> values) {
  return region(name, MatrixView<T>(values.data(), 1, static_cast<Index>(values.size())));
}

/// Whether these are the same rows in the same places: each is read as a whole before its result takes its place.
bool are_same(const QueryView& a, const QueryView& b) {
  const auto same = [&](const auto& view) {
    const auto* const other = std::get_if<std::remove_cvref_t<decltype(view)>>(&b.formats());
    return other != nullptr && view.data == other->data && view.row_stride == other->row_stride;
  };
  return std::visit(same, a.formats());
}

void check_apart(const std::vector<Region>& inputs, const std::vector<Region>& outputs) {
  const auto check = [](const Region& a, const Region& b) {
    if (a.begin < b.end && b.begin < a.end) throw InvalidArgument("the " + a.name + " overlap the " + b.name);
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const Region& input : inputs) check(outputs[i], input);
    for (std::size_t j = 0; j < i; ++j) check(outputs[i], outputs[j]);
  }
}

/// An optional matrix of results: the right shape, and producible.
void check_result(const QueryView& matrix, const std::string& what, Index rows, Index columns, bool produced,
                  const std::string& otherwise) {
  const bool has_data = std::visit([](const auto& view) { return view.data != nullptr; }, matrix.formats());
  if (!has_data && matrix.empty()) return;
  if (!produced) throw InvalidArgument(what + " were given, but " + otherwise);
  if (matrix.rows() != rows || matrix.columns() != columns)
    throw InvalidArgument(what + " have the shape " + shape(matrix.rows(), matrix.columns()) + "; this call gives " +
                          shape(rows, columns));
  check_layout(matrix, what);
}

template <class T>
void check_result(std::span<T> values, const std::string& what, Index count) {
  if (!values.empty() && static_cast<Index>(values.size()) != count)
    throw InvalidArgument(what + " have room for " + std::to_string(values.size()) + " queries; this call has " +
                          std::to_string(count));
}

/// One row of `row_length` values, or one for each of `row_count` patterns, all finite.
void check_rows(const std::vector<float>& values, const std::string& what, Index row_length, Index row_count) {
  const auto size = static_cast<Index>(values.size());
  require(size == row_length || size == row_length * row_count,
          "a similarity has " + std::to_string(size) + " " + what + "; there must be " + std::to_string(row_length) +
              ", or as many for each of " + std::to_string(row_count) + " patterns");
  for (const float value : values) require(std::isfinite(value), what + " must be finite; one is " + number(value));
}

/// Rank weights times their β.
void check_products(const std::vector<float>& weights, float beta, const std::string& base) {
  for (const float weight : weights)
    require(std::isfinite(beta * weight),
            "beta_" + base + " " + number(beta) + " times the rank weight " + number(weight) + " overflows");
}

/// What formats are called.
struct FormatNames {
  std::string states;
  std::string queries;
};

FormatNames names_of(const QueryView& rows) {
  static const std::array<FormatNames, std::variant_size_v<QueryView::Formats>> names{{{"states", "floats"},
                                                                                       {"float16 states", "float16"},
                                                                                       {"bfloat16 states", "bfloat16"},
                                                                                       {"int8 states", "int8"},
                                                                                       {"bits", "bits"}}};
  return names[rows.formats().index()];
}

/// Of any size, and rounded where they are of 16 bits.
bool are_floats(const QueryView& rows) {
  return rows.as<MatrixView<const std::int8_t>>() == nullptr && rows.as<BitView<const std::uint8_t>>() == nullptr;
}

std::string name_of(const Update& update) {
  static constexpr std::array<const char*, std::variant_size_v<Update>> names{"tanh", "sign", "asynchronous sign",
                                                                              "readout", "blend"};
  return names[update.index()];
}

/// A neuron may keep what a query has, and so may all of a query that takes no step.
void check_holds(const QueryView& states, const QueryView& queries, const Update& update) {
  if (are_floats(states)) return;
  const FormatNames names = names_of(states);
  if (!makes_signs(update))
    throw InvalidArgument(names.states + " were given, but the update is " + name_of(update) +
                          "; only sign updates leave states that fit them");
  if (states.formats().index() > queries.formats().index())
    throw InvalidArgument(names.states + " were given for queries in " + names_of(queries).queries +
                          ", whose values neurons may keep; they are for queries that fit them");
  const auto* const sign = std::get_if<SignUpdate>(&update);
  if (states.as<BitView<const std::uint8_t>>() != nullptr && sign != nullptr && sign->at_zero == AtZero::zero)
    throw InvalidArgument("bits were given, but the sign update's at_zero is AtZero::zero, which leaves states of 0");
}

/// Of the shape of the queries, in a format that holds their states.
void check_states(const QueryView& states, const QueryView& queries, const Update& update) {
  const std::string what = names_of(states).states;
  if (states.rows() != queries.rows() || states.columns() != queries.columns())
    throw InvalidArgument(what + " have the shape " + shape(states.rows(), states.columns()) + ", the queries " +
                          shape(queries.rows(), queries.columns()));
  check_layout(states, what);
  check_holds(states, queries, update);
}

void check_halting(const Halting& halting) {
  require(halting.patience >= 1, "patience is " + std::to_string(halting.patience) + "; it must be at least 1");
  require(is_non_negative(halting.absolute),
          "the absolute tolerance is " + number(halting.absolute) + "; it must be finite and not negative");
  require(is_non_negative(halting.relative),
          "the relative tolerance is " + number(halting.relative) + "; it must be finite and not negative");
}

}  // namespace

void check_pattern_layout(MatrixView<const float> matrix, const std::string& what) {
  require(matrix.rows >= 1 && matrix.columns >= 1,
          what + " have the shape " + shape(matrix.rows, matrix.columns) + "; both sizes must be positive");
  check_layout(matrix, what);
}

void check_stored_layout(MatrixView<const float> matrix, const std::string& what) { check_layout(matrix, what); }

void check_finite(MatrixView<const float> matrix, const std::string& what) {
  check_on_host(matrix, what);
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index j = 0; j < matrix.columns; ++j)
      if (!std::isfinite(matrix(i, j))) refuse_not_finite(what, i, j, matrix(i, j));
}

void refuse_not_finite(const std::string& what, Index row, Index column, float value) {
  throw InvalidArgument(what + " must be finite; row " + std::to_string(row) + ", column " + std::to_string(column) +
                        " is " + number(value));
}

void check_options(const RelaxerOptions& options) {
  require(options.max_steps >= 1, "max_steps is " + std::to_string(options.max_steps) + "; it must be at least 1");
  check_threads(options.threads);
  if (options.update) std::visit(UpdateCheck{}, *options.update);
  if (options.halting) check_halting(*options.halting);
}

void check_similarity(const AdaptiveSimilarity& similarity, Index pattern_count, Index dimension) {
  require(similarity.groups >= 1 && similarity.groups <= dimension,
          "a similarity has " + std::to_string(similarity.groups) + " groups; there may be 1 to the dimension, " +
              std::to_string(dimension));
  require(!similarity.squared_distance.empty() || !similarity.dot.empty(),
          "a similarity needs rank weights of a base: squared distance, dot or both");
  const Index ranks = rank_count(dimension, similarity.groups);
  if (!similarity.squared_distance.empty())
    check_rows(similarity.squared_distance, "rank weights of the squared distance", ranks, pattern_count);
  if (!similarity.dot.empty()) check_rows(similarity.dot, "rank weights of the dot product", ranks, pattern_count);
  require(std::isfinite(similarity.beta_squared_distance),
          "beta_squared_distance must be finite; it is " + number(similarity.beta_squared_distance));
  require(std::isfinite(similarity.beta_dot), "beta_dot must be finite; it is " + number(similarity.beta_dot));
  check_products(similarity.squared_distance, similarity.beta_squared_distance, "squared_distance");
  check_products(similarity.dot, similarity.beta_dot, "dot");
}

void check_log_prior(const std::vector<float>& log_prior, Index pattern_count) {
  if (log_prior.empty()) return;
  require(static_cast<Index>(log_prior.size()) == pattern_count, "a memory has " + std::to_string(log_prior.size()) +
                                                                     " log-priors for " +
                                                                     std::to_string(pattern_count) + " patterns");
  for (const float prior : log_prior)
    require(prior < std::numeric_limits<float>::infinity(),
            "log-priors must be finite, or -inf for patterns that are never retrieved; one is " + number(prior));
  require(std::any_of(log_prior.begin(), log_prior.end(), [](float prior) { return std::isfinite(prior); }),
          "all " + std::to_string(pattern_count) + " log-priors are -inf; one pattern must have some probability");
}

void check_thresholds(const std::vector<float>& thresholds, Index dimension) {
  if (thresholds.empty()) return;
  require(static_cast<Index>(thresholds.size()) == dimension, "a memory has " + std::to_string(thresholds.size()) +
                                                                  " thresholds for its dimension of " +
                                                                  std::to_string(dimension));
  for (const float threshold : thresholds)
    require(std::isfinite(threshold), "thresholds must be finite; one is " + number(threshold));
}

void check_layers(Index first, Index dimension) {
  require(first < dimension, "the first layer has " + std::to_string(first) + " neurons of a dimension of " +
                                 std::to_string(dimension) + "; the second must have some, too");
}

void check_retrieval_count(Index count, Index pattern_count) {
  if (count < 1 || count > std::max<Index>(pattern_count, 1))
    throw InvalidArgument(std::to_string(count) + " patterns were asked for; the memory has " +
                          std::to_string(pattern_count));
}

PatternTerms checked_pattern_terms(MatrixView<const std::uint8_t> valid, MatrixView<const float> log_prior,
                                   Index query_count, Index pattern_count) {
  return {.valid = pattern_rows(valid, "valid patterns", query_count, pattern_count),
          .log_prior = pattern_rows(log_prior, "log-priors", query_count, pattern_count)};
}

void check_betas(std::span<const float> betas, float own) {
  require(betas.data() != nullptr, "betas have null data");
  check_on_host(betas, "betas");
  for (std::size_t i = 0; i < betas.size(); ++i) {
    const float beta = betas[i];
    const std::string named = "betas[" + std::to_string(i) + "] is " + number(static_cast<double>(beta));
    require(std::isfinite(beta) && beta > 0.0F, named + "; it must be finite and positive");
    require(std::isnormal(beta / own), named + ", too far from the memory's own beta of " +
                                           number(static_cast<double>(own)) +
                                           ": their ratio leaves the range of float");
  }
}

void check_origins(std::span<const Index> origins, Index query_count, Index pattern_count) {
  require(static_cast<Index>(origins.size()) == query_count,
          "there are " + std::to_string(origins.size()) + " origins for " + std::to_string(query_count) + " queries");
  check_on_host(origins, "origins");
  for (std::size_t i = 0; i < origins.size(); ++i)
    require(origins[i] >= 0 && origins[i] < pattern_count, "origin " + std::to_string(i) + " is " +
                                                               std::to_string(origins[i]) + "; there are " +
                                                               std::to_string(pattern_count) + " patterns");
}

void check_origin_priors(const AdaptiveSimilarity& similarity, std::span<const Index> origins) {
  if (similarity.log_prior.empty()) return;
  for (std::size_t i = 0; i < origins.size(); ++i)
    require(std::isfinite(similarity.log_prior[static_cast<std::size_t>(origins[i])]),
            "origin " + std::to_string(i) + " is pattern " + std::to_string(origins[i]) +
                ", whose log-prior is -inf: the loss would be infinite");
}

void check_threads(int threads) {
  require(threads >= 0 && threads <= cpu::most_threads,
          "threads is " + std::to_string(threads) + "; it must be in [0, " + std::to_string(cpu::most_threads) + "]");
}

void check_options(const VariantOptions& options) {
  require(is_non_negative(options.severity),
          "the severity is " + number(options.severity) + "; it must be finite and not negative");
  const bool masks = options.variant == Variant::masked || options.variant == Variant::mixed;
  require(!masks || options.severity <= 1.0F,
          "the severity is " + number(options.severity) + "; that of masked variants must be at most 1");
  require(is_non_negative(options.spread),
          "the spread is " + number(options.spread) + "; it must be finite and not negative");
  if (options.mask_value)
    require(std::isfinite(*options.mask_value),
            "the mask value is " + number(*options.mask_value) + "; it must be finite");
}

void check_options(const FitOptions& options, Index dimension) {
  require(options.squared_distance || options.dot, "neither squared_distance nor dot is chosen; one base must be");
  require(options.groups >= 1 && options.groups <= dimension,
          "groups is " + std::to_string(options.groups) + "; it must be in [1, " + std::to_string(dimension) + "]");
  require(options.epochs >= 1, "epochs is " + std::to_string(options.epochs) + "; it must be at least 1");
  require(std::isfinite(options.rate) && options.rate > 0.0F,
          "the learning rate is " + number(options.rate) + "; it must be finite and positive");
  require(is_non_negative(options.l2), "l2 is " + number(options.l2) + "; it must be finite and not negative");
  require(is_non_negative(options.pattern_l2),
          "pattern_l2 is " + number(options.pattern_l2) + "; it must be finite and not negative");
  require(options.held_out >= 0.0F && options.held_out < 1.0F,
          "the held-out share is " + number(options.held_out) + "; it must be in [0, 1)");
  require(options.patience >= 1, "patience is " + std::to_string(options.patience) + "; it must be at least 1");
  check_threads(options.threads);
}

void check_squares(double largest, Index columns) {
  require(
      4.0 * largest * largest * static_cast<double>(columns) <= static_cast<double>(std::numeric_limits<float>::max()),
      "patterns and queries have values as large as " + number(largest) + ", whose squares overflow");
}

void check_fit_layout(MatrixView<const float> patterns, MatrixView<const float> queries) {
  check_pattern_layout(patterns, "patterns");
  check_pattern_layout(queries, "queries");
  require(queries.columns == patterns.columns, "queries have " + std::to_string(queries.columns) +
                                                   " columns, the patterns " + std::to_string(patterns.columns));
}

void check_count(Index count, Index columns, const std::string& what) {
  constexpr Index limit = std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(double));
  require(count >= 0 && count <= limit / columns,
          std::to_string(count) + " " + what + " were asked for; there can be 0 to " + std::to_string(limit / columns));
}

void check_content_rows(MatrixView<const float> contents, Index pattern_count) {
  require(contents.rows == pattern_count, "contents have " + std::to_string(contents.rows) + " rows for " +
                                              std::to_string(pattern_count) + " patterns");
}

void check_queries(const QueryView& queries, Index dimension) {
  check_layout(queries, "queries");
  if (queries.columns() != dimension)
    throw InvalidArgument("queries have " + std::to_string(queries.columns()) + " columns, the memory's dimension is " +
                          std::to_string(dimension));
}

void check_floats(const QueryView& rows, const std::string& what, const Device& device) {
  if (rows.floats() == nullptr)
    throw NotSupported(what + " in " + names_of(rows).queries + " are for memories on the CPU; this one is on " +
                       device.description());
}

void check_formats(const QueryView& rows, const std::string& what, const Device& device) {
  if (are_floats(rows)) check_floats(rows, what, device);
}

void check_formats(const RelaxationView& results, const Device& device) {
  check_formats(results.states.written(), "states", device);
  check_floats(results.contents.written(), "contents", device);
}

void check_call(const QueryView& queries, const RelaxCall& call, Index dimension) {
  check_queries(queries, dimension);
  if (call.clamped.data == nullptr && call.clamped.empty()) return;
  check_layout(call.clamped, "clamped neurons");
  if (call.clamped.rows != queries.rows() || call.clamped.columns != dimension)
    throw InvalidArgument("clamped neurons have the shape " + shape(call.clamped.rows, call.clamped.columns) +
                          ", the queries " + shape(queries.rows(), queries.columns()));
}

void check_on_host(const QueryView& queries, const RelaxationView& results, const RelaxCall& call,
                   const PatternTerms& terms) {
  check_on_host(queries, "queries");
  check_on_host(terms.valid, "valid patterns");
  check_on_host(terms.log_prior, "log-priors");
  check_on_host(call.clamped, "clamped neurons");
  check_on_host(results.states.written(), "states");
  check_on_host(results.steps, "steps");
  check_on_host(results.energies, "energies");
  check_on_host(results.status, "status");
  check_on_host(results.energy_trace, "energy traces");
  check_on_host(results.contents.written(), "contents");
}

void check_results(const RelaxationView& results, const QueryView& queries, const RelaxCall& call,
                   const RelaxerOptions& options, Index content_columns) {
  const Index count = queries.rows();
  const QueryView states = results.states.written();
  const QueryView contents = results.contents.written();
  check_states(states, queries, *options.update);
  check_result(results.steps, "steps", count);
  check_result(results.energies, "energies", count);
  check_result(results.status, "status", count);
  if (!results.energies.empty() && !options.energies)
    throw InvalidArgument("energies were given, but the options ask for none");
  check_result(results.energy_trace, "energy traces", count, options.max_steps, options.energy_trace,
               "the options ask for none");
  check_result(contents, "contents", count, content_columns, content_columns > 0, "the memory has none");
  if (!are_floats(contents))
    throw InvalidArgument("contents were given in " + names_of(contents).queries +
                          ", which may not hold them; they are floats of 32 or 16 bits");
  // What overlaps queries that are relaxed in place overlaps the states.
  const Region query_region = are_same(queries, states) ? Region{} : region("queries", queries);
  check_apart(
      {query_region, region("clamped neurons", call.clamped), region("valid patterns", call.valid_patterns),
       region("log-priors", call.log_prior), region("betas", call.betas)},
      {region(names_of(states).states, states), region("steps", results.steps), region("energies", results.energies),
       region("status", results.status), region("energy traces", results.energy_trace), region("contents", contents)});
}

void check_results(MatrixView<float> footprints, MatrixView<const float> patterns, MatrixView<const float> queries,
                   Index rows) {
  if (footprints.rows != rows || footprints.columns != patterns.columns)
    throw InvalidArgument("footprints have the shape " + shape(footprints.rows, footprints.columns) +
                          "; this call gives " + shape(rows, patterns.columns));
  check_layout(footprints, "footprints");
  check_apart({region("patterns", patterns), region("queries", queries)}, {region("footprints", footprints)});
}

void check_results(const RetrievalView& results, const QueryView& queries, const PatternTerms& terms,
                   Index pattern_count) {
  const MatrixView<Index> found = results.pattern;
  check_layout(found, "retrieved patterns");
  if (found.rows != queries.rows())
    throw InvalidArgument("retrieved patterns have the shape " + shape(found.rows, found.columns) + "; this call has " +
                          std::to_string(queries.rows()) + " queries");
  check_retrieval_count(found.columns, pattern_count);
  check_result(MatrixView<const float>(results.posterior), "posteriors", found.rows, found.columns, true, "");
  check_apart(
      {region("queries", queries), region("valid patterns", terms.valid), region("log-priors", terms.log_prior)},
      {region("retrieved patterns", found), region("posteriors", results.posterior)});
}

}  // namespace attractor::detail
