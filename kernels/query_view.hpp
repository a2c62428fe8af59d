#pragma once

/// One row of queries or results, whatever its format.

#include <bit>
#include <cstdint>
#include <variant>

#include <attractor/query_view.hpp>

namespace attractor::detail {

/// A row of ±1 as bits, read as floats.
struct BitRow {
  const std::uint8_t* bytes;
  /// The sign is what the bit isn't, without a branch that would be taken every other time.
  float operator[](Index i) const {
    const std::uint32_t bits = std::uint32_t{bytes[i / 8]} << static_cast<unsigned>(24 + i % 8);
    return std::bit_cast<float>((~bits & 0x80000000U) | 0x3f800000U);
  }
};

/// A row of bits to be written.
struct BitResultRow {
  std::uint8_t* bytes;
};

using QueryRow = std::variant<const float*, const Float16*, const BFloat16*, const std::int8_t*, BitRow>;
using ResultRow = std::variant<float*, Float16*, BFloat16*, std::int8_t*, BitResultRow>;

/// Rows of any view.
struct RowOf {
  Index i;

  template <class T>
  QueryRow operator()(MatrixView<const T> rows) const {
    return rows.row(i);
  }
  QueryRow operator()(BitView<const std::uint8_t> rows) const { return BitRow{rows.row(i)}; }
  template <class T>
  ResultRow operator()(MatrixView<T> rows) const {
    return rows.row(i);
  }
  ResultRow operator()(BitView<std::uint8_t> rows) const { return BitResultRow{rows.row(i)}; }
};

inline QueryRow row_of(const QueryView& queries, Index i) { return std::visit(RowOf{i}, queries.formats()); }
inline ResultRow row_of(const ResultView& results, Index i) { return std::visit(RowOf{i}, results.formats()); }

}  // namespace attractor::detail
