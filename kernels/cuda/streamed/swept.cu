// The stages of asynchronous sign updates.

#include "kernels/cuda/streamed/ordered_product.hpp"
#include "kernels/cuda/streamed/readout.cuh"
#include "kernels/cuda/streamed/stage.hpp"
#include "kernels/cuda/streamed/sweep.hpp"

namespace attractor::cuda {
namespace {

/// What a sweep asks of a memory: the matrix whose products are followed, and in which unit energies are.
struct Swept {
  static const DeviceMatrix& matrix(const StreamedFactored& memory) { return memory.factor; }
  static const DeviceMatrix& matrix(const StreamedDense& memory) { return memory.weights; }
  static const DeviceMatrix& matrix(const StreamedPointwise& memory) { return memory.patterns; }
  static float energy_scale(const StreamedFactored& memory) { return memory.scale; }
  static float energy_scale(const StreamedDense& /*memory*/) { return 1.0F; }
  static float energy_scale(const StreamedPointwise& memory) { return memory.energy_scale; }
};

void sweep_rows(const StreamedFactored& memory, const SweepRows& rows, const Job& job, cudaStream_t stream) {
  launch_sweep(LinearSeparation{},
               {.factor = memory.factor.data.data(),
                .stride = memory.factor.stride,
                .patterns = memory.factor.rows,
                .diagonal = memory.diagonal.data(),
                .resolution = memory.resolution.data(),
                .thresholds = memory.thresholds.data(),
                .score_scale = 1.0F,
                .scale = memory.scale},
               rows, job, stream);
}

void sweep_rows(const StreamedDense& memory, const SweepRows& rows, const Job& job, cudaStream_t stream) {
  launch_sweep({.weights = memory.weights.data.data(),
                .stride = memory.weights.stride,
                .resolution = memory.resolution.data(),
                .thresholds = memory.thresholds.data(),
                .scale = memory.scale},
               rows, job, stream);
}

void sweep_rows(const StreamedPointwise& memory, const SweepRows& rows, const Job& job, cudaStream_t stream) {
  launch_sweep(memory.separation,
               {.factor = memory.patterns.data.data(),
                .stride = memory.patterns.stride,
                .patterns = memory.patterns.rows,
                .diagonal = nullptr,
                .resolution = nullptr,
                .thresholds = nullptr,
                .score_scale = memory.score_scale,
                .scale = 1.0F},
               rows, job, stream);
}

template <class Memory>
class SweptStage {
 public:
  static int rows(const Memory& memory, Index queries) {
    const DeviceMatrix& matrix = Swept::matrix(memory);
    // Rows are as long as there are patterns.
    return slot_count(queries, Index{3} * matrix.stride + padded(matrix.rows) + 2, 1);
  }
  SweptStage(const Memory& memory, Workspace& workspace, int rows)
      : memory_(memory),
        order_(workspace.take<int>(elements(Swept::matrix(memory).columns))),
        followed_(workspace.take<float>(elements(rows, padded(Swept::matrix(memory).rows)))),
        potentials_(workspace.take<double>(elements(rows))),
        swept_(workspace.take<float>(elements(rows, Swept::matrix(memory).stride))) {}

  /// Before the first step.
  void start(const Job& job, cudaStream_t stream) {
    job_ = &job;
    if (job.update.seed) launch_sweep_order(*job.update.seed, order_, Swept::matrix(memory_).columns, stream);
  }

  SweptReadout launch(const float* states, int rows, const RowTerms& terms, cudaStream_t stream) const {
    const DeviceMatrix& matrix = Swept::matrix(memory_);
    launch_transposed_ordered_product({.rows = rows,
                                       .columns = matrix.rows,
                                       .inner = matrix.columns,
                                       .factor = 1.0F,
                                       .a = states,
                                       .a_stride = matrix.stride,
                                       .b = matrix.data.data(),
                                       .b_stride = matrix.stride,
                                       .result = followed_,
                                       .result_stride = padded(matrix.rows)},
                                      stream);
    sweep_rows(memory_,
               {.slots = terms.slots,
                .rows = rows,
                .states = states,
                .swept = swept_,
                .stride = matrix.stride,
                .dimension = matrix.columns,
                .order = job_->update.seed ? order_ : nullptr,
                .followed = followed_,
                .followed_stride = padded(matrix.rows),
                .potentials = potentials_},
               *job_, stream);
    return {.states = swept_,
            .stride = matrix.stride,
            .potentials = potentials_,
            .energy_scale = Swept::energy_scale(memory_)};
  }

 private:
  const Memory& memory_;
  const Job* job_ = nullptr;
  int* order_;
  float* followed_;
  double* potentials_;
  float* swept_;
};

template <class Memory>
std::size_t measure_sweeps(const Memory& memory, Index queries) {
  return measure<SweptStage<Memory>>(memory, Swept::matrix(memory).stride, queries);
}

template <class Memory>
void run_sweeps(const Memory& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
                cudaStream_t stream) {
  relax_streamed<SweptStage<Memory>>(memory, Swept::matrix(memory).stride, job, workspace, tools, driver, stream);
}

}  // namespace

std::size_t sweep_workspace_bytes(const StreamedFactored& memory, Index queries) {
  return measure_sweeps(memory, queries);
}
std::size_t sweep_workspace_bytes(const StreamedDense& memory, Index queries) {
  return measure_sweeps(memory, queries);
}
std::size_t sweep_workspace_bytes(const StreamedPointwise& memory, Index queries) {
  return measure_sweeps(memory, queries);
}

void relax_by_sweeps(const StreamedFactored& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
                     cudaStream_t stream) {
  run_sweeps(memory, job, workspace, tools, driver, stream);
}
void relax_by_sweeps(const StreamedDense& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
                     cudaStream_t stream) {
  run_sweeps(memory, job, workspace, tools, driver, stream);
}
void relax_by_sweeps(const StreamedPointwise& memory, const Job& job, void* workspace, Toolbox& tools, Driver driver,
                     cudaStream_t stream) {
  run_sweeps(memory, job, workspace, tools, driver, stream);
}

}  // namespace attractor::cuda
