#pragma once

/// A memory on one CUDA device.

#include "host/src/engine.hpp"
#include "kernels/cuda/engine/memory.hpp"

namespace attractor::detail {

class CudaEngine final : public Engine {
 public:
  CudaEngine(const Form& form, int device);

  void fetch_patterns(MatrixView<float> to) const override;
  void fetch_contents(MatrixView<float> to) const override;

  void relax(const RelaxerOptions& options, const QueryView& queries, const RelaxationView& results,
             const RelaxCall& call, const PatternTerms& terms) const override;
  void recall(const QueryView& queries, const PatternTerms& terms, const ResultView& contents,
              std::span<float> intensity, int threads) const override;
  void retrieve(const QueryView& queries, const PatternTerms& terms, const Schedule& schedule,
                MatrixView<Index> patterns, MatrixView<float> posteriors, int threads) const override;

  [[nodiscard]] const cuda::DeviceMemory& memory() const { return memory_; }

 private:
  cuda::DeviceMemory memory_;
};

}  // namespace attractor::detail
