#pragma once

/// A checksum of what a file holds, whatever the order it lies in there: 64 bits of XXH3.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <attractor/matrix_view.hpp>

namespace attractor::detail {

/// Takes parts of a file in an order that goes by their names.
class Checksum {
 public:
  Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;
  ~Checksum();

  /// A string and a zero byte, which no name has: "ab", "c" is not "a", "bc".
  void add(std::string_view text);
  /// What a tensor is, before its elements.
  void add_tensor(std::string_view name, std::string_view type, const std::vector<Index>& shape);
  void add(const void* bytes, std::size_t size);

  /// As 16 hexadecimal digits.
  [[nodiscard]] std::string digits() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attractor::detail
