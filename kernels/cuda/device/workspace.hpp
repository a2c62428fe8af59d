#pragma once

/// Carves arrays out of one block of device memory. Run on nothing, it measures how large the block must be.

#include <cstddef>

namespace attractor::cuda {

class Workspace {
 public:
  /// Where every array starts: what vector loads like best.
  static constexpr std::size_t alignment = 256;

  explicit Workspace(void* block = nullptr) : block_(static_cast<std::byte*>(block)) {}

  /// The next `count` elements; null while measuring.
  template <class T>
  T* take(std::size_t count) {
    const std::size_t start = used_;
    used_ += (count * sizeof(T) + alignment - 1) / alignment * alignment;
    return block_ == nullptr ? nullptr : static_cast<T*>(static_cast<void*>(block_ + start));
  }

  [[nodiscard]] std::size_t used() const { return used_; }

 private:
  std::byte* block_;
  std::size_t used_ = 0;
};

}  // namespace attractor::cuda
