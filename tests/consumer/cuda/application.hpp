#pragma once

/// Recalls patterns on an application's own stream, in its own memory.

#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include <attractor/attractor.hpp>
#include <attractor/cuda.hpp>

constexpr int dimension = 64;
constexpr int query_count = 100;

inline void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
  std::exit(1);
}

/// A pattern of ±1.
inline std::vector<float> make_pattern() {
  std::vector<float> pattern(dimension);
  for (int i = 0; i < dimension; ++i) pattern[static_cast<std::size_t>(i)] = i * i % 7 < 3 ? 1.0F : -1.0F;
  return pattern;
}

/// Relaxes queries that `make_queries(pattern, queries, stream)` writes to the device; returns the exit status.
template <class MakeQueries>
int recall(MakeQueries&& make_queries) {
  const std::vector<float> pattern = make_pattern();
  const auto memory = attractor::Memory::hebbian(attractor::Device::cuda(), {pattern.data(), 1, dimension});
  const attractor::Relaxer relaxer(memory);

  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  const std::size_t bytes = sizeof(float) * query_count * dimension;
  float* queries = nullptr;
  float* states = nullptr;
  check(cudaMalloc(reinterpret_cast<void**>(&queries), bytes));
  check(cudaMalloc(reinterpret_cast<void**>(&states), bytes));
  make_queries(pattern, queries, stream);

  attractor::RelaxationView results;
  results.states = {states, query_count, dimension};
  attractor::relax_async(relaxer, {queries, query_count, dimension}, results, {.stream = stream});

  std::vector<float> recalled(query_count * dimension);
  check(cudaMemcpyAsync(recalled.data(), states, bytes, cudaMemcpyDeviceToHost, stream));
  check(cudaStreamSynchronize(stream));
  check(cudaFree(queries));
  check(cudaFree(states));
  check(cudaStreamDestroy(stream));

  for (std::size_t i = 0; i < recalled.size(); ++i)
    if (recalled[i] != pattern[i % dimension]) return 1;
  std::printf("%d queries recalled\n", query_count);
  return 0;
}
