// What relax_async takes costs a CUDA source little: none of the standard library's heavy headers.
#include <attractor/cuda.hpp>

#if defined(_GLIBCXX_MEMORY) || defined(_GLIBCXX_FUNCTIONAL) || defined(_GLIBCXX_STOP_TOKEN)
#error "<attractor/cuda.hpp> includes <memory>, <functional> or <stop_token>"
#endif

void relax(const attractor::Relaxer& relaxer, attractor::MatrixView<const float> queries,
           const attractor::RelaxationView& results) {
  attractor::relax_async(relaxer, queries, results);
}
