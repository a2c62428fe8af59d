#include "host/src/checksum.hpp"

#include <array>
#include <charconv>

// Into this file alone: nobody has to link it, and its names meet no others.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace attractor::detail {

struct Checksum::State {
  XXH3_state_t value;
};

Checksum::Checksum() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->value); }
Checksum::~Checksum() = default;

void Checksum::add(const void* bytes, std::size_t size) { XXH3_64bits_update(&state_->value, bytes, size); }

void Checksum::add(std::string_view text) {
  add(text.data(), text.size());
  add("", 1);
}

void Checksum::add_tensor(std::string_view name, const TensorEntry& tensor) {
  add(name);
  add(tensor.type);
  for (const Index size : tensor.shape) add(std::to_string(size));
}

std::string Checksum::digits() const {
  constexpr std::size_t count = 16;
  std::array<char, count> text{};
  const char* const end = std::to_chars(text.data(), text.data() + count, XXH3_64bits_digest(&state_->value), 16).ptr;
  const std::string_view digits(text.data(), static_cast<std::size_t>(end - text.data()));
  return std::string(count - digits.size(), '0').append(digits);
}

}  // namespace attractor::detail
