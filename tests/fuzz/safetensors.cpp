/// Any bytes as a memory's file. What is read is one: it relaxes, and what is saved of it is the same.

#include <attractor/attractor.hpp>

#include "tests/fuzz/memory_file.hpp"

namespace {

using namespace attractor;

void use(const Memory& memory) {
  // Sizes that a header may claim without bytes, of what has none.
  if (memory.dimension() > 4096) return;
  Matrix<float> query(1, memory.dimension());
  std::fill_n(query.data(), query.size(), 0.5F);
  const Relaxation result = Relaxer(memory, {.max_steps = 3, .threads = 1}).relax(query);
  if (result.steps.size() != 1) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const attractor::test::MemoryFile file(bytes, size);
  try {
    use(load(Device::cpu(), file.path()));
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
