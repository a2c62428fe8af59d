#pragma once

/// What one lane of a waiting call works with.

#include <cstddef>

#include "kernels/cuda/device/pool.hpp"
#include "kernels/cuda/device/resources.hpp"
#include "kernels/cuda/device/workspace.hpp"

namespace attractor::cuda {

/// A stream and two blocks, which only grow.
class LaneBuffers {
 public:
  /// Makes room where there isn't. What the blocks held is lost.
  void reserve(std::size_t device_bytes, std::size_t pinned_bytes) {
    grow(device_, device_bytes, "chunks of queries and results, and scratch");
    grow(pinned_, pinned_bytes, "chunks of queries and results");
  }

  [[nodiscard]] cudaStream_t stream() const { return stream_.get(); }
  [[nodiscard]] std::byte* device() const { return device_.data(); }
  [[nodiscard]] std::byte* pinned() const { return pinned_.data(); }
  [[nodiscard]] std::size_t bytes() const { return device_.bytes() + pinned_.bytes(); }

 private:
  template <class Block>
  static void grow(Block& block, std::size_t bytes, const char* purpose) {
    if (block.bytes() >= bytes) return;
    block = {};  // First, since both may not fit.
    block = Block(bytes, purpose);
  }

  Stream stream_ = make_stream();
  DeviceArray<std::byte> device_;
  PinnedArray<std::byte> pinned_;
};

using LanePool = Pool<LaneBuffers>;

/// A lane for the scope of a call. After a failure its stream may still be writing what belongs to the caller or the
/// next call, so this waits for it.
class LaneLoan {
 public:
  /// The pool's device is current.
  explicit LaneLoan(LanePool& pool) : loan_(pool.take()) {}
  LaneLoan(const LaneLoan&) = delete;
  LaneLoan& operator=(const LaneLoan&) = delete;
  ~LaneLoan() {
    const CaptureExemption exemption;
    discard(cudaStreamSynchronize(loan_->stream()));
  }
  LaneBuffers* operator->() const { return loan_.operator->(); }
  LaneBuffers& operator*() const { return *loan_; }

 private:
  LanePool::Loan loan_;
};

/// What `make(space)` carves out of a lane's device memory, which has room for it then.
template <class Make>
auto carve(LaneBuffers& lane, Make&& make) {
  Workspace needed;
  static_cast<void>(make(needed));  // Measures.
  lane.reserve(needed.used(), 0);
  Workspace space(lane.device());
  return make(space);
}

}  // namespace attractor::cuda
