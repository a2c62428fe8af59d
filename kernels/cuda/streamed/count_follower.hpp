#pragma once

/// How the host keeps up with a device that works on steps handed to it before.

#include <cstddef>
#include <thread>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/device/toolbox.hpp"
#include "kernels/cuda/engine/slots.hpp"

namespace attractor::cuda {

/// Follows the device's count of finished queries. Reports arrive when they like, so what they are used for must not
/// change a result: `settled` is the count after a certain step, `latest` may only end a call.
class CountFollower {
 public:
  CountFollower(Toolbox& tools, const QueryCounts* counts, cudaStream_t stream)
      : tools_(tools), counts_(counts), stream_(stream) {}
  CountFollower(const CountFollower&) = delete;
  CountFollower& operator=(const CountFollower&) = delete;
  /// Reports still under way land in the toolbox, which is about to serve another call. After a failure there may be
  /// one without its event, so this waits for the stream.
  ~CountFollower() {
    if (arrived_ < asked_) discard(cudaStreamSynchronize(stream_));
  }

  /// To be called after each step: asks for the count. Sleeps only while the host is `steps_ahead` steps ahead.
  void follow() {
    const std::size_t slot = asked_++ % steps_ahead;
    check(cudaMemcpyAsync(tools_.counts.data() + slot, counts_, sizeof(QueryCounts), cudaMemcpyDeviceToHost, stream_),
          "cudaMemcpyAsync of the query counts");
    check(cudaEventRecord(tools_.arrived[slot].get(), stream_), "cudaEventRecord");
    while (arrived_ < asked_ && (next_has_arrived() || asked_ - arrived_ == steps_ahead)) {
      while (!next_has_arrived()) std::this_thread::yield();
      ++arrived_;
    }
  }

  /// Queries finished after the step that lies `steps_ahead` − 1 before the last one; the host has waited for it.
  [[nodiscard]] Index settled() const { return asked_ < steps_ahead ? 0 : finished_after(asked_ - steps_ahead); }

  /// Queries that are known to have finished by now.
  [[nodiscard]] Index latest() const { return arrived_ == 0 ? 0 : finished_after(arrived_ - 1); }

 private:
  [[nodiscard]] Index finished_after(std::size_t step) const {
    return static_cast<Index>(tools_.counts.data()[step % steps_ahead].finished);
  }

  [[nodiscard]] bool next_has_arrived() const {
    const cudaError_t status = cudaEventQuery(tools_.arrived[arrived_ % steps_ahead].get());
    if (status == cudaErrorNotReady) return false;
    check(status, "cudaEventQuery");
    return true;
  }

  Toolbox& tools_;
  const QueryCounts* counts_;
  cudaStream_t stream_;
  std::size_t asked_ = 0;
  std::size_t arrived_ = 0;
};

}  // namespace attractor::cuda
