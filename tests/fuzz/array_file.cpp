/// Any bytes as a file of NumPy's.

#include <attractor/array_file.hpp>
#include <attractor/error.hpp>

#include "tests/fuzz/memory_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const attractor::test::MemoryFile file(bytes, size);
  try {
    attractor::ArrayFile array(file.path());
    const attractor::Matrix<float> values = array.floats();
    if (array.holds_queries() && array.queries().rows() != values.rows()) std::abort();
    if (array.type() == attractor::ElementType::uint8) static_cast<void>(array.bits(8 * array.columns()));
    array.release(0, array.rows());
  } catch (const attractor::Error&) {
    return 0;
  }
  return 0;
}
