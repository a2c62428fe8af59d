#pragma once

/// Memories in files, in the safetensors layout that the ecosystem's tools read: an 8-byte little-endian length, a JSON
/// header of that length, and the raw little-endian tensors.

#include <filesystem>
#include <string>
#include <string_view>

#include <attractor/export.h>
#include <attractor/device.hpp>
#include <attractor/memory.hpp>

namespace attractor {

/// Writes a memory: its patterns as the tensor `patterns` [P, D], and `contents` [P, M] where it has some, F32, or F16
/// or BF16 if so stored, and of an adaptive memory `similarity.squared_distance` and `similarity.dot` F32 [R] or [P,
/// R], and `similarity.log_prior` F32 [P], each if it is used; log-priors of other memories are `log_prior` F32 [P],
/// thresholds `thresholds` F32 [D].
/// The rule and its options are strings in the header's `__metadata__`. Tensors of each of these types are read.
/// `identifiers` I64 [P], with the string `next_identifier`, are there once patterns have been forgotten.
///
/// The string `checksum` is 16 hexadecimal digits, XXH3 of 64 bits and seed 0 (xxhash.com) of what a file holds,
/// whatever its layout: of each other string of the metadata, in the order of their keys' bytes, key and value, and of
/// each tensor, in the order of their names, its name, type and sizes in decimals, each of all these followed by a zero
/// byte, and its elements.
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
/// Tensors and metadata of other names are ignored, but are part of the checksum: who changes a file by other means
/// leaves that out, or makes it anew. Files without one are read, as those of early versions are.
///
/// @throws FileError the file can't be read, is no safetensors file, holds no memory, or something else than its
///         checksum says; the message names the file and what is wrong with it. Nothing is allocated for what the file
///         claims but hasn't.
/// @throws what the function that makes such a memory throws for the device. Complexity: that of making the memory.
ATTRACTOR_EXPORT Memory load(const Device& device, const std::filesystem::path& path);

/// What tensors of a file are called; an empty name: there are none.
struct TensorNames {
  std::string patterns = "patterns";  ///< [P, D]
  std::string contents = {};          ///< [P, M]
  std::string thresholds = {};        ///< [D]
  std::string log_prior = {};         ///< [P]
};

/// Makes a memory of tensors of any safetensors file, of F32, F16 or BF16: those of another program, such as a model's
/// embeddings. Metadata are ignored.
/// @param device where the memory is to be @param path the file @param tensors which of its tensors
/// @param rule in words, as Memory::make takes them: what patterns are stored as goes by these, not by the file.
/// @throws InvalidArgument words that mean nothing. @throws FileError the file can't be read, is no safetensors file,
///         lacks a tensor, or has one of other elements, or of a shape or of values that this memory can't have.
/// @throws what Memory::make throws for the device. Complexity: that of making the memory.
ATTRACTOR_EXPORT Memory load(const Device& device, const std::filesystem::path& path, std::string_view rule,
                             const TensorNames& tensors = {});

}  // namespace attractor
