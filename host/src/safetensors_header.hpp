#pragma once

/// The JSON that safetensors files begin with.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::detail {

/// The strings of `__metadata__`.
using Metadata = std::map<std::string, std::string>;

/// What a header says of a tensor.
struct TensorEntry {
  std::string type;
  std::vector<Index> shape;
  std::uint64_t begin = 0;  ///< in bytes from the end of the header
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  Metadata metadata;
  std::map<std::string, TensorEntry> tensors;
};

/// Reads a header. No key may occur twice; members of tensors that mean nothing here are ignored.
///
/// @throws FileError it isn't one; the message says what is wrong.
SafetensorsHeader parse_header(const std::string& json);

/// The other way; all text is in UTF-8.
std::string to_json(const SafetensorsHeader& header);

}  // namespace attractor::detail
