#include "kernels/cuda/engine/retrieve.hpp"

#include <string>

#include <attractor/error.hpp>

#include "kernels/cuda/device/pointer.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/engine/call_scratch.hpp"

namespace attractor::cuda {
namespace {

template <class T>
void check_on_device(MatrixView<T> matrix, int device, const std::string& name) {
  if (matrix.data != nullptr && locate(matrix.data, device, name) != Location::device)
    throw InvalidArgument("an asynchronous retrieval takes data on the memory's device; " + name + " are on the host");
}

void check_on_device(const RetrievalJob& job, int device) {
  check_on_device(job.queries, device, "the queries");
  check_on_device(job.terms.valid, device, "the valid patterns");
  check_on_device(job.terms.log_prior, device, "the log-priors");
  check_on_device(job.patterns, device, "the retrieved patterns");
  check_on_device(job.posteriors, device, "the posteriors");
}

/// Of integers −1, of floats NaN.
template <class T>
void set_all_bits(MatrixView<T> matrix, cudaStream_t stream, const std::string& what) {
  if (matrix.data == nullptr) return;
  check(cudaMemset2DAsync(matrix.data, bytes_of<T>(matrix.row_stride), 0xFF, bytes_of<T>(matrix.columns),
                          elements(matrix.rows), stream),
        "cudaMemset2DAsync of " + what);
}

}  // namespace

void retrieve_async(const DeviceMemory& memory, const RetrievalJob& job, std::span<std::byte> workspace,
                    cudaStream_t stream) {
  const DeviceScope scope(memory.device());
  check_on_device(job, memory.device());
  const CallScratch scratch("a retrieval", workspace,
                            memory.retrieval_workspace_bytes(job.queries.rows, job.patterns.columns), memory.device(),
                            stream);
  memory.launch_retrieval(job, scratch.data(), stream);
}

void retrieve_nothing_async(int device, const RetrievalJob& job, cudaStream_t stream) {
  const DeviceScope scope(device);
  check_on_device(job, device);
  set_all_bits(job.patterns, stream, "retrieved patterns");
  set_all_bits(job.posteriors, stream, "posteriors");
}

}  // namespace attractor::cuda
