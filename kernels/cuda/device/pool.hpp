#pragma once

/// Resources of one device that calls borrow: slow to make, and slow to give back, since a release waits for everything
/// that the device does, of the application too.

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <attractor/error.hpp>

#include "kernels/cuda/device/resources.hpp"

namespace attractor::cuda {

/// What idle resources of a pool take at most. Beyond that a returned one is released.
inline constexpr std::size_t most_idle_bytes = std::size_t{1} << 30U;

/// For any number of threads. A `Resource` has a default constructor and says by `bytes()` how much memory it holds.
template <class Resource>
class Pool {
 public:
  explicit Pool(int device, std::size_t most_idle = most_idle_bytes) : device_(device), most_idle_(most_idle) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    try {
      const DeviceScope scope(device_);
      idle_.clear();
    } catch (const DeviceError&) {  // NOLINT(bugprone-empty-catch)
      // Handles should be destroyed on their own device. There is no one to tell that they weren't.
    }
  }

  /// For the scope of a call. The pool must outlive it.
  class Loan {
   public:
    Loan(Pool& pool, std::unique_ptr<Resource> resource) : pool_(pool), resource_(std::move(resource)) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() { pool_.put_back(std::move(resource_)); }
    Resource& operator*() const { return *resource_; }
    Resource* operator->() const { return resource_.get(); }

   private:
    Pool& pool_;
    std::unique_ptr<Resource> resource_;
  };

  /// The resource that came back last, which suits the next call best, or a new one. The pool's device is current.
  Loan take() {
    std::unique_ptr<Resource> resource = take_idle();
    if (!resource) resource = std::make_unique<Resource>();
    const std::scoped_lock lock(mutex_);
    idle_.reserve(idle_.size() + lent_ + 1);  // So that putting it back can't fail.
    ++lent_;
    return {*this, std::move(resource)};
  }

 private:
  std::unique_ptr<Resource> take_idle() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return nullptr;
    std::unique_ptr<Resource> resource = std::move(idle_.back());
    idle_.pop_back();
    return resource;
  }

  /// Keeps the resource, or lets it go when the lock has been left.
  void put_back(std::unique_ptr<Resource> resource) {
    const std::scoped_lock lock(mutex_);
    --lent_;
    std::size_t bytes = resource->bytes();
    for (const std::unique_ptr<Resource>& other : idle_) bytes += other->bytes();
    if (bytes <= most_idle_) idle_.push_back(std::move(resource));
  }

  int device_;
  std::size_t most_idle_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Resource>> idle_;
  std::size_t lent_ = 0;
};

}  // namespace attractor::cuda
