#include "kernels/cuda/engine/retrieve.hpp"

#include <string>

#include <attractor/error.hpp>

#include "kernels/cuda/device/default_streams.hpp"
#include "kernels/cuda/device/pointer.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/engine/call_scratch.hpp"

namespace attractor::cuda {
namespace {

/// Calls visit(name, whether it is on the device) for all data that there are.
template <class Visit>
void for_each_place(const RetrievalJob& job, int device, const Visit& visit) {
  const auto visit_present = [&](const auto& matrix, const std::string& name) {
    if (matrix.data != nullptr) visit(name, locate(matrix.data, device, name) == Location::device);
  };
  visit_present(job.queries, "the queries");
  visit_present(job.terms.valid, "the valid patterns");
  visit_present(job.terms.log_prior, "the log-priors");
  visit_present(job.patterns, "the retrieved patterns");
  visit_present(job.posteriors, "the posteriors");
}

void check_on_device(const RetrievalJob& job, int device) {
  for_each_place(job, device, [](const std::string& name, bool on_device) {
    if (!on_device)
      throw InvalidArgument("an asynchronous retrieval takes data on the memory's device; " + name +
                            " are on the host");
  });
}

bool is_any_on_device(const RetrievalJob& job, int device) {
  bool any = false;
  for_each_place(job, device, [&](const std::string& /*name*/, bool on_device) { any = any || on_device; });
  return any;
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

void retrieve(const DeviceMemory& memory, const RetrievalJob& job) {
  const DeviceScope scope(memory.device());
  if (is_any_on_device(job, memory.device())) finish_default_streams(memory.device());
  memory.retrieve(job);
}

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
