// No CUDA language: the runtime's functions alone.
#include "application.hpp"

int main() {
  return recall([](std::vector<float> query, float* queries, cudaStream_t stream) {
    query[3] = -query[3];
    for (int i = 0; i < query_count; ++i)
      check(cudaMemcpyAsync(queries + i * dimension, query.data(), sizeof(float) * dimension, cudaMemcpyHostToDevice,
                            stream));
    check(cudaStreamSynchronize(stream));
  });
}
