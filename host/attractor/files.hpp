#pragma once

/// Memories in files, in the safetensors layout that the ecosystem's tools read: an 8-byte little-endian length, a JSON
/// header of that length, and the raw little-endian tensors.

#include <filesystem>

#include <attractor/export.h>
#include <attractor/device.hpp>
#include <attractor/memory.hpp>

namespace attractor {

/// Writes a memory: its patterns as the tensor `patterns` [P, D], and `contents` [P, M] where it has some, F32, or F16
/// or BF16 if so stored, and of an adaptive memory `similarity.squared_distance` and `similarity.dot` F32 [R] or [P,
/// R], and `similarity.log_prior` F32 [P], each if it is used; log-priors of other memories are `log_prior` F32 [P],
/// thresholds `thresholds` F32 [D].
/// The rule and its options are strings in the header's `__metadata__`. Tensors of each of these types are read.
///
/// The file is written under a temporary name beside `path`, brought to the disk and then renamed: whoever reads
/// `path`, be it after a crash, finds the old file or the new one, never a part. A link stands for the file that it
/// leads to. A file that is replaced passes on its permissions and, where this process may give files away, its owner
/// and group; other names (hard links) keep the old one.
///
/// @throws FileError the file can't be written, or what is there is no regular file; a file that was there is
/// unchanged. Complexity: O(PD + PM).
ATTRACTOR_EXPORT void save(const Memory& memory, const std::filesystem::path& path);

/// Makes the memory that a file holds, on any device; it answers queries with the same bits as the one saved did there.
/// Tensors and metadata of other names are ignored.
///
/// @throws FileError the file can't be read, is no safetensors file, or holds no memory; the message names the file and
///         what is wrong with it. Nothing is allocated for what the file claims but hasn't.
/// @throws what the function that makes such a memory throws for the device. Complexity: that of making the memory.
ATTRACTOR_EXPORT Memory load(const Device& device, const std::filesystem::path& path);

}  // namespace attractor
