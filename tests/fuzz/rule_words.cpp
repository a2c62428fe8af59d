/// Any words as a rule. What is a rule says so in words that make the same.

#include <cstdlib>
#include <string_view>

#include <attractor/error.hpp>
#include <attractor/memory.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace attractor;
  constexpr float patterns[2][3] = {{1, -1, 1}, {-1, -1, 1}};
  const MatrixView<const float> view(patterns[0], 2, 3);
  const std::string_view words(static_cast<const char*>(static_cast<const void*>(bytes)), size);
  try {
    const Memory memory = Memory::make(Device::cpu(), words, view);
    if (Memory::make(Device::cpu(), memory.rule(), view).rule() != memory.rule()) std::abort();
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
