#include "kernels/cuda/device/default_streams.hpp"

#include <attractor/error.hpp>

#include "kernels/cuda/device/resources.hpp"

namespace attractor::cuda {
namespace {

void finish_default_stream(cudaStream_t stream) {
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  const cudaError_t status = cudaStreamIsCapturing(stream, &capture);
  discard(status);
  if (status == cudaErrorStreamCaptureImplicit || capture != cudaStreamCaptureStatusNone)
    throw NotSupported(
        "data on a device can't be waited for while a default stream, or one that waits for it, is being captured; "
        "capture a stream made with cudaStreamNonBlocking");
  check(status, "cudaStreamIsCapturing of a default stream");
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize of a default stream");
}

}  // namespace

void finish_default_streams(int device) {
  const DeviceScope scope(device);
  for (cudaStream_t stream : {cudaStreamLegacy, cudaStreamPerThread}) finish_default_stream(stream);
}

}  // namespace attractor::cuda
