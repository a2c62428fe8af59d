#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <attractor/memory.hpp>

#include "host/python/src/arrays.hpp"
#include "host/python/src/call.hpp"
#include "host/python/src/similarity.hpp"

namespace attractor::python {

/// A memory that Python's threads share: calls without the interpreter's lock read it while another changes it. Who
/// reads takes a copy, which is a matter of a counter, and who changes it keeps the others waiting.
class SharedMemory {
 public:
  explicit SharedMemory(Memory memory) : memory_(std::move(memory)), mutex_(std::make_unique<std::mutex>()) {}

  /// As it is now; with the interpreter's lock, which is given up for as long as a change takes.
  [[nodiscard]] Memory now() const {
    std::unique_lock lock(*mutex_, std::try_to_lock);
    if (!lock) unlocked([&] { lock.lock(); });
    return memory_;
  }

  /// Changes it, without the interpreter's lock.
  template <class Change>
  void change(const Change& change) {
    unlocked([&] {
      const std::scoped_lock lock(*mutex_);
      change(memory_);
    });
  }

 private:
  Memory memory_;
  std::unique_ptr<std::mutex> mutex_;
};

inline Device chosen(const std::optional<Device>& device) { return device ? *device : Device::best(); }

/// @throws InvalidArgument weights that aren't rows of as many ranks as states of this dimension have.
void check_ranks(const RankedSimilarity& similarity, Index dimension);

}  // namespace attractor::python
