#pragma once

/// The header of NumPy's files.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <attractor/array_file.hpp>

namespace attractor::detail {

/// What a header tells. `columns` 0: of one dimension.
struct NpyHeader {
  ElementType type = ElementType::float32;
  Index rows = 0;
  Index columns = 0;
  std::uint64_t data_begin = 0;  ///< bytes before the first element
};

constexpr std::uint64_t size_of(ElementType type) {
  switch (type) {
    case ElementType::float64:
    case ElementType::int64: return 8;
    case ElementType::float32:
    case ElementType::int32: return 4;
    case ElementType::float16: return 2;
    default: return 1;
  }
}

/// Bytes of the elements. @throws InvalidArgument more than a file has.
std::uint64_t data_size(const NpyHeader& header);

/// Reads the header at a file's beginning, of which these are all bytes. @throws InvalidArgument it is none, or tells
/// of something that isn't read; `what` of it says why, beginning with a verb.
NpyHeader read_npy_header(std::span<const std::byte> file);

/// A header's bytes, so many that elements behind it are aligned; sets where they begin.
std::string make_npy_header(NpyHeader& header);

}  // namespace attractor::detail
