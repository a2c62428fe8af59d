#pragma once

/// Views of queries and of results in any of the formats that a call may have them in. One query per row.

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <variant>

#include <attractor/bit_view.hpp>
#include <attractor/matrix_view.hpp>
#include <attractor/narrow_floats.hpp>

namespace attractor {

namespace detail {

/// Floats of 16 bits.
template <class T>
concept NarrowFloat = std::same_as<T, Float16> || std::same_as<T, BFloat16>;

/// Elements of matrices whose rows can be queries or results.
template <class T>
concept RowElement = std::same_as<T, float> || NarrowFloat<T> || std::same_as<T, std::int8_t>;

/// What owns rows and shows them so, as Matrix and BitMatrix do.
template <class Owner, class View>
concept ShownAs = requires(Owner& owner) {
  { owner.view() } -> std::convertible_to<View>;
};

/// Rows of one format: each holds what the ones behind it do, exactly or rounded.
template <class... Views>
class AnyRows {
 public:
  using Formats = std::variant<Views...>;

  AnyRows() = default;
  explicit AnyRows(const Formats& rows) : rows_(rows) {}

  [[nodiscard]] Index rows() const {
    return std::visit([](const auto& view) { return view.rows; }, rows_);
  }
  [[nodiscard]] Index columns() const {
    return std::visit([](const auto& view) { return view.columns; }, rows_);
  }
  [[nodiscard]] bool empty() const { return rows() == 0 || columns() == 0; }
  [[nodiscard]] const Formats& formats() const { return rows_; }

  /// The view of this format; null where it is another.
  template <class View>
  [[nodiscard]] const View* as() const {
    return std::get_if<View>(&rows_);
  }
  /// Of float32.
  [[nodiscard]] const auto* floats() const { return std::get_if<0>(&rows_); }

 protected:
  [[nodiscard]] Formats sliced(Index first, Index count) const {
    return std::visit([&](const auto& view) { return Formats(view.slice(first, count)); }, rows_);
  }

 private:
  Formats rows_;
};

}  // namespace detail

/// Queries: rows of float, Float16, BFloat16 or std::int8_t, or of ±1 as bits. Whatever they are, they are read as the
/// floats that they stand for. Checks nothing, as MatrixView.
class QueryView : public detail::AnyRows<MatrixView<const float>, MatrixView<const Float16>, MatrixView<const BFloat16>,
                                         MatrixView<const std::int8_t>, BitView<const std::uint8_t>> {
 public:
  QueryView() = default;
  explicit QueryView(const Formats& rows) : AnyRows(rows) {}

  // NOLINTBEGIN(google-explicit-constructor): widenings
  template <class T>
  requires detail::RowElement<std::remove_const_t<T>> QueryView(MatrixView<T> rows)
      : AnyRows(MatrixView<const T>(rows)) {}
  QueryView(BitView<const std::uint8_t> rows) : AnyRows(rows) {}
  QueryView(BitView<std::uint8_t> rows) : AnyRows(BitView<const std::uint8_t>(rows)) {}
  template <detail::ShownAs<QueryView> Owner>
  QueryView(const Owner& rows) : QueryView(rows.view()) {}
  // NOLINTEND(google-explicit-constructor)

  /// Contiguous rows.
  template <detail::RowElement T>
  QueryView(const T* first, Index row_count, Index column_count)
      : QueryView(MatrixView<const T>(first, row_count, column_count)) {}

  /// Rows that lie `stride` elements apart.
  template <detail::RowElement T>
  QueryView(const T* first, Index row_count, Index column_count, Index stride)
      : QueryView(MatrixView<const T>(first, row_count, column_count, stride)) {}

  /// Rows [first, first + count) of this view.
  [[nodiscard]] QueryView slice(Index first, Index count) const { return QueryView(sliced(first, count)); }
};

/// Where states or contents go, in the same formats. Floats of 16 bits are rounded to nearest, ties to even, and ∞
/// beyond their range.
class ResultView : public detail::AnyRows<MatrixView<float>, MatrixView<Float16>, MatrixView<BFloat16>,
                                          MatrixView<std::int8_t>, BitView<std::uint8_t>> {
 public:
  ResultView() = default;
  explicit ResultView(const Formats& rows) : AnyRows(rows) {}

  // NOLINTBEGIN(google-explicit-constructor): widenings
  template <detail::RowElement T>
  ResultView(MatrixView<T> rows) : AnyRows(rows) {}
  ResultView(BitView<std::uint8_t> rows) : AnyRows(rows) {}
  template <detail::ShownAs<ResultView> Owner>
  ResultView(Owner& rows) : ResultView(rows.view()) {}
  // NOLINTEND(google-explicit-constructor)

  template <detail::RowElement T>
  ResultView(T* first, Index row_count, Index column_count)
      : ResultView(MatrixView<T>(first, row_count, column_count)) {}
  template <detail::RowElement T>
  ResultView(T* first, Index row_count, Index column_count, Index stride)
      : ResultView(MatrixView<T>(first, row_count, column_count, stride)) {}

  [[nodiscard]] ResultView slice(Index first, Index count) const { return ResultView(sliced(first, count)); }

  /// What has been written, to be read.
  [[nodiscard]] QueryView written() const {
    return std::visit([](const auto& view) { return QueryView(view); }, formats());
  }
};

}  // namespace attractor
