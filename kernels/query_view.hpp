#pragma once

/// Queries and states in the formats that a call may have them in.

#include <cstdint>
#include <variant>

#include <attractor/bit_view.hpp>
#include <attractor/relaxation_view.hpp>

namespace attractor::detail {

/// A row of ±1 as bits, read as floats.
struct BitRow {
  const std::uint8_t* bytes;
  float operator[](Index i) const { return (bytes[i / 8] << (i % 8) & 0x80) != 0 ? 1.0F : -1.0F; }
};

/// A row of bits to be written.
struct BitResultRow {
  std::uint8_t* bytes;
};

using QueryRow = std::variant<const float*, const std::int8_t*, BitRow>;
using ResultRow = std::variant<float*, std::int8_t*, BitResultRow>;

/// Rows of one format.
class QueryView {
 public:
  using Formats = std::variant<MatrixView<const float>, MatrixView<const std::int8_t>, BitView<const std::uint8_t>>;

  // NOLINTBEGIN(google-explicit-constructor): widenings
  QueryView(MatrixView<const float> rows) : rows_(rows) {}
  QueryView(MatrixView<const std::int8_t> rows) : rows_(rows) {}
  QueryView(BitView<const std::uint8_t> rows) : rows_(rows) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] Index rows() const {
    return std::visit([](const auto& rows) { return rows.rows; }, rows_);
  }
  [[nodiscard]] Index columns() const {
    return std::visit([](const auto& rows) { return rows.columns; }, rows_);
  }
  [[nodiscard]] const Formats& formats() const { return rows_; }

  /// The view of this format; null where it is another.
  template <class View>
  [[nodiscard]] const View* as() const {
    return std::get_if<View>(&rows_);
  }
  [[nodiscard]] const MatrixView<const float>* floats() const { return as<MatrixView<const float>>(); }

  [[nodiscard]] QueryRow row(Index i) const {
    if (const auto* const values = floats()) return values->row(i);
    if (const auto* const integers = as<MatrixView<const std::int8_t>>()) return integers->row(i);
    return BitRow{std::get_if<BitView<const std::uint8_t>>(&rows_)->row(i)};
  }

  [[nodiscard]] QueryView slice(Index first, Index count) const {
    return std::visit([&](const auto& rows) { return QueryView(rows.slice(first, count)); }, rows_);
  }

 private:
  Formats rows_;
};

/// Whether there is something, or at least the shape of it.
template <class View>
bool is_given(const View& view) {
  return view.data != nullptr || view.rows != 0 || view.columns != 0;
}

/// Where the state of query i goes.
inline ResultRow state_row(const RelaxationView& results, Index i) {
  if (is_given(results.states)) return results.states.row(i);
  if (is_given(results.int8_states)) return results.int8_states.row(i);
  return BitResultRow{results.bits.row(i)};
}

/// The states that a relaxation has written.
inline QueryView written_states(const RelaxationView& results) {
  if (is_given(results.bits)) return BitView<const std::uint8_t>(results.bits);
  if (is_given(results.int8_states)) return MatrixView<const std::int8_t>(results.int8_states);
  return MatrixView<const float>(results.states);
}

}  // namespace attractor::detail
