#pragma once

/// A checksum of what a file holds, whatever the order it lies in there: 64 bits of XXH3.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "host/src/safetensors_header.hpp"

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
  void add_tensor(std::string_view name, const TensorEntry& tensor);
  void add(const void* bytes, std::size_t size);

  /// As 16 hexadecimal digits.
  [[nodiscard]] std::string digits() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Its name among the metadata.
inline constexpr const char* checksum_name = "checksum";

/// That of a file: see <attractor/files.hpp>. add_elements(sum, name) adds those of the tensor of this name.
template <class AddElements>
std::string checksum_of(const SafetensorsHeader& header, const AddElements& add_elements) {
  Checksum sum;
  for (const auto& [key, text] : header.metadata) {
    if (key == checksum_name) continue;
    sum.add(key);
    sum.add(text);
  }
  for (const auto& [name, tensor] : header.tensors) {
    sum.add_tensor(name, tensor);
    add_elements(sum, name);
  }
  return sum.digits();
}

}  // namespace attractor::detail
