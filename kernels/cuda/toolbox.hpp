#pragma once

/// What the host needs to drive steps on one stream, kept for the next call because it is slow to make.

#include <array>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/cuda/resources.hpp"
#include "kernels/cuda/slots.hpp"

namespace attractor::cuda {

/// How many steps the host may be ahead of the device: enough to hide its own delay, few enough that little is done in
/// vain after the last query has halted.
inline constexpr std::size_t steps_ahead = 4;

struct Toolbox {
  Blas blas = make_blas();
  PinnedArray<QueryCounts> counts{steps_ahead, "query counts"};
  std::array<Event, steps_ahead> arrived = {make_event(), make_event(), make_event(), make_event()};
};

/// Toolboxes of one device that no call is using.
class ToolboxPool {
 public:
  explicit ToolboxPool(int device) : device_(device) {}
  ToolboxPool(const ToolboxPool&) = delete;
  ToolboxPool& operator=(const ToolboxPool&) = delete;
  ~ToolboxPool();

  /// For the scope of a call. The pool must outlive it.
  class Loan {
   public:
    Loan(ToolboxPool& pool, std::unique_ptr<Toolbox> toolbox) : pool_(pool), toolbox_(std::move(toolbox)) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() { pool_.put_back(std::move(toolbox_)); }
    Toolbox& operator*() const { return *toolbox_; }

   private:
    ToolboxPool& pool_;
    std::unique_ptr<Toolbox> toolbox_;
  };

  /// The pool's device is current.
  Loan take() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) {
      idle_.reserve(++made_);  // So that putting it back can't fail.
      return {*this, std::make_unique<Toolbox>()};
    }
    std::unique_ptr<Toolbox> toolbox = std::move(idle_.back());
    idle_.pop_back();
    return {*this, std::move(toolbox)};
  }

 private:
  void put_back(std::unique_ptr<Toolbox> toolbox) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(toolbox));
  }

  int device_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Toolbox>> idle_;
  std::size_t made_ = 0;
};

}  // namespace attractor::cuda
