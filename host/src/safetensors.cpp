#include "host/src/safetensors.hpp"

#include <array>
#include <cstddef>
#include <limits>

namespace attractor::detail {
namespace {

struct TypeTraits {
  std::string_view name;
  TensorType type;
  std::uint64_t size;
};

constexpr std::array<TypeTraits, 4> types = {{{"F32", TensorType::f32, 4},
                                              {"F16", TensorType::f16, 2},
                                              {"BF16", TensorType::bf16, 2},
                                              {"I64", TensorType::i64, 8}}};

const TypeTraits& traits_of(TensorType type) { return types[static_cast<std::size_t>(type)]; }

}  // namespace

TensorType type_of(PatternStorage elements) {
  if (elements == PatternStorage::float16) return TensorType::f16;
  return elements == PatternStorage::bfloat16 ? TensorType::bf16 : TensorType::f32;
}

std::string_view name_of(TensorType type) { return traits_of(type).name; }

std::optional<TensorType> type_named(std::string_view name) {
  for (const TypeTraits& traits : types)
    if (traits.name == name) return traits.type;
  return std::nullopt;
}

std::uint64_t byte_count(const std::vector<Index>& shape, TensorType type) {
  std::uint64_t count = traits_of(type).size;
  for (const Index size : shape)
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count))
      return std::numeric_limits<std::uint64_t>::max();
  return count;
}

}  // namespace attractor::detail
