#pragma once

/// The time that relaxing one query set takes, again and again.

#include <memory>

#include <attractor/attractor.hpp>

#include "bench/support/study.hpp"

namespace attractor::bench {

/// Queries and results lie where the memory is. On the CPU a call's wall-clock time counts; on a CUDA device the time
/// between two events around it, so that neither copies nor the host's own work are part of it.
class RelaxationTimer {
 public:
  RelaxationTimer() = default;
  RelaxationTimer(const RelaxationTimer&) = delete;
  RelaxationTimer& operator=(const RelaxationTimer&) = delete;
  virtual ~RelaxationTimer() = default;

  /// Seconds of one relaxation of all queries.
  virtual double seconds(const Relaxer& relaxer) = 0;

  /// Fetches what the last relaxation gave.
  virtual const Results& results() = 0;
};

/// @param queries must outlive the timer.
std::unique_ptr<RelaxationTimer> make_timer(const Device& device, MatrixView<const float> queries);

/// The CUDA part of it. @throws UsageError a build without CUDA.
std::unique_ptr<RelaxationTimer> make_cuda_timer(const Device& device, MatrixView<const float> queries);

/// Seconds of the product of A [rows × inner] and B [inner × columns] by cuBLAS, between events.
/// @throws UsageError a build without CUDA.
class CudaProduct {
 public:
  CudaProduct(const Device& device, Index rows, Index columns, Index inner);
  CudaProduct(const CudaProduct&) = delete;
  CudaProduct& operator=(const CudaProduct&) = delete;
  CudaProduct(CudaProduct&& other) noexcept;
  CudaProduct& operator=(CudaProduct&& other) noexcept;
  ~CudaProduct();
  double seconds();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attractor::bench
