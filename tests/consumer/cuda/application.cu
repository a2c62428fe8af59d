// A kernel of its own damages one neuron in each query.
#include "application.hpp"

__global__ void damage(const float* pattern, float* queries) {
  const int row = static_cast<int>(blockIdx.x);
  const int i = static_cast<int>(threadIdx.x);
  queries[row * dimension + i] = i == row % dimension ? -pattern[i] : pattern[i];
}

int main() {
  return recall([](const std::vector<float>& pattern, float* queries, cudaStream_t stream) {
    float* on_device = nullptr;
    check(cudaMalloc(&on_device, sizeof(float) * dimension));
    check(cudaMemcpy(on_device, pattern.data(), sizeof(float) * dimension, cudaMemcpyHostToDevice));
    damage<<<query_count, dimension, 0, stream>>>(on_device, queries);
    check(cudaGetLastError());
    check(cudaStreamSynchronize(stream));
    check(cudaFree(on_device));
  });
}
