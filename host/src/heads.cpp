#include <attractor/heads.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include <attractor/error.hpp>

#include "host/src/access.hpp"
#include "host/src/call_terms.hpp"
#include "host/src/memory_state.hpp"
#include "host/src/rows.hpp"
#include "host/src/validation.hpp"

namespace attractor {
namespace {

/// Columns [first, first + count).
template <class T>
MatrixView<T> columns_of(MatrixView<T> matrix, Index first, Index count) {
  if (matrix.data == nullptr && matrix.empty() && matrix.columns == 0) return matrix;  // None.
  return {matrix.data == nullptr ? nullptr : matrix.data + first, matrix.rows, count, matrix.row_stride};
}

BitView<const std::uint8_t> columns_of(BitView<const std::uint8_t> bits, Index first, Index count) {
  return {bits.data == nullptr ? nullptr : bits.data + first / 8, bits.rows, count, bits.row_stride};
}

QueryView columns_of(const QueryView& rows, Index first, Index count) {
  return std::visit([&](const auto& view) { return QueryView(columns_of(view, first, count)); }, rows.formats());
}

/// Bits can't be read from the middle of a byte on.
void check_first_column(const QueryView& queries, Index first) {
  if (queries.as<BitView<const std::uint8_t>>() != nullptr && first % 8 != 0)
    throw InvalidArgument("queries in bits have a head that starts at column " + std::to_string(first) +
                          "; it must be a multiple of 8");
}

template <class T>
std::span<T> row_of(Matrix<T>& matrix, Index i) {
  return {matrix.row(i), static_cast<std::size_t>(matrix.columns())};
}

/// Columns of each of `count` equal groups.
Index group_size(MatrixView<const float> matrix, Index count, const std::string& what) {
  detail::check_stored_layout(matrix, what);
  if (matrix.columns % count != 0)
    throw InvalidArgument(what + " have " + std::to_string(matrix.columns) + " columns, which " +
                          std::to_string(count) + " heads can't share equally");
  return matrix.columns / count;
}

/// A head's part of a call, whose progress goes on from the heads before.
RelaxCall call_of(const RelaxCall& call, Index head, Index heads, Index first, Index count) {
  RelaxCall part = call;
  part.clamped = columns_of(call.clamped, first, count);
  if (call.progress)
    part.progress = [&call, head, heads](const Progress& progress) {
      call.progress({.finished = head * progress.total + progress.finished, .total = heads * progress.total});
    };
  return part;
}

}  // namespace

Heads::Heads(std::vector<Relaxer> heads) : heads_(std::move(heads)) {
  if (heads_.empty()) throw InvalidArgument("there must be a head; none was given");
  for (const Relaxer& head : heads_)
    if (head.options().energy_trace) throw InvalidArgument("heads keep no energy traces; relax each by itself for one");
}

Heads Heads::modern_hopfield(const Device& device, MatrixView<const float> patterns, std::span<const float> betas,
                             const ModernHopfieldOptions& options, const RelaxerOptions& relaxation) {
  const auto count = static_cast<Index>(betas.size());
  if (count == 0) throw InvalidArgument("there must be a head; no betas were given");
  const Index dimension = group_size(patterns, count, "patterns");
  const Index content_columns =
      detail::are_given(options.contents) ? group_size(options.contents, count, "contents") : 0;
  std::vector<Relaxer> heads;
  for (Index h = 0; h < count; ++h) {
    ModernHopfieldOptions own = options;
    own.beta = betas[static_cast<std::size_t>(h)];
    own.contents = columns_of(options.contents, h * content_columns, content_columns);
    heads.emplace_back(Memory::modern_hopfield(device, columns_of(patterns, h * dimension, dimension), own),
                       relaxation);
  }
  return Heads(std::move(heads));
}

Index Heads::dimension() const {
  return std::accumulate(heads_.begin(), heads_.end(), Index{0},
                         [](Index sum, const Relaxer& head) { return sum + head.memory().dimension(); });
}

Index Heads::content_columns() const {
  return std::accumulate(heads_.begin(), heads_.end(), Index{0},
                         [](Index sum, const Relaxer& head) { return sum + head.memory().content_dimension(); });
}

HeadsRelaxation Heads::relax(const QueryView& queries, const RelaxCall& call) const {
  detail::check_call(queries, call, dimension());
  Index columns = 0;
  for (const Relaxer& head : heads_) {
    check_first_column(queries, columns);
    columns += head.memory().dimension();
    detail::check_call_betas(detail::Access::state(head.memory()), call.betas);
    static_cast<void>(detail::call_terms(detail::Access::state(head.memory()), queries.rows(), call));
  }
  const auto heads = static_cast<Index>(heads_.size());
  HeadsRelaxation result{.states = Matrix<float>(queries.rows(), dimension()),
                         .steps = Matrix<std::int32_t>(heads, queries.rows()),
                         .energies = Matrix<float>(heads, queries.rows()),
                         .status = Matrix<Status>(heads, queries.rows()),
                         .contents = Matrix<float>(queries.rows(), content_columns())};
  Index first = 0;
  Index first_content = 0;
  for (Index h = 0; h < heads; ++h) {
    const Relaxer& head = heads_[static_cast<std::size_t>(h)];
    const Index count = head.memory().dimension();
    const Index content_count = head.memory().content_dimension();
    const std::span<float> energies = row_of(result.energies, h);
    if (!head.options().energies) std::fill(energies.begin(), energies.end(), std::numeric_limits<float>::quiet_NaN());
    RelaxationView view{.states = columns_of(result.states.view(), first, count),
                        .steps = row_of(result.steps, h),
                        .energies = head.options().energies ? energies : std::span<float>(),
                        .status = row_of(result.status, h)};
    if (content_count > 0) view.contents = columns_of(result.contents.view(), first_content, content_count);
    head.relax(columns_of(queries, first, count), view, call_of(call, h, heads, first, count));
    first += count;
    first_content += content_count;
  }
  return result;
}

}  // namespace attractor
