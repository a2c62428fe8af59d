#include "host/src/safetensors.hpp"

#include <array>
#include <limits>
#include <utility>

namespace attractor::detail {
namespace {

constexpr std::array<std::pair<std::string_view, PatternStorage>, 3> dtypes = {
    {{"F32", PatternStorage::float32}, {"F16", PatternStorage::float16}, {"BF16", PatternStorage::bfloat16}}};

}  // namespace

std::string_view dtype_of(PatternStorage elements) {
  for (const auto& [name, value] : dtypes)
    if (value == elements) return name;
  return {};
}

std::optional<PatternStorage> elements_of(std::string_view dtype) {
  for (const auto& [name, value] : dtypes)
    if (name == dtype) return value;
  return std::nullopt;
}

std::uint64_t byte_count(const std::vector<Index>& shape, PatternStorage elements) {
  std::uint64_t count = elements == PatternStorage::float32 ? 4 : 2;
  for (const Index size : shape)
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count))
      return std::numeric_limits<std::uint64_t>::max();
  return count;
}

}  // namespace attractor::detail
