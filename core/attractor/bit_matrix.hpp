#pragma once

/// States of ±1 as packed bits: non-owning views for arguments, an owning type for results. One query per row.

#include <cstdint>

#include <attractor/bit_view.hpp>
#include <attractor/matrix.hpp>

namespace attractor {

/// An owning matrix of bits, without bytes between rows. Bits start uninitialised.
class BitMatrix {
 public:
  BitMatrix() = default;

  /// @throws std::bad_alloc
  BitMatrix(Index rows, Index columns) : bytes_(rows, bytes_of_bits(columns)), columns_(columns) {}

  [[nodiscard]] Index rows() const { return bytes_.rows(); }
  [[nodiscard]] Index columns() const { return columns_; }
  [[nodiscard]] std::uint8_t* data() { return bytes_.data(); }
  [[nodiscard]] const std::uint8_t* data() const { return bytes_.data(); }
  [[nodiscard]] bool operator()(Index i, Index j) const { return view()(i, j); }

  [[nodiscard]] BitView<std::uint8_t> view() { return {data(), rows(), columns_}; }
  [[nodiscard]] BitView<const std::uint8_t> view() const { return {data(), rows(), columns_}; }
  operator BitView<std::uint8_t>() { return view(); }  // NOLINT(google-explicit-constructor): views are free
  operator BitView<const std::uint8_t>() const { return view(); }  // NOLINT(google-explicit-constructor): likewise

 private:
  Matrix<std::uint8_t> bytes_;
  Index columns_ = 0;
};

}  // namespace attractor
