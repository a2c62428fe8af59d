#pragma once

/// Relaxation: a batch of queries descends a memory's energy, each query until its own energy stabilises.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include <attractor/export.h>
#include <attractor/matrix.hpp>
#include <attractor/memory.hpp>
#include <attractor/query_view.hpp>
#include <attractor/relaxation.hpp>

namespace attractor {

namespace detail {
struct Access;
struct PatternTerms;
}  // namespace detail

/// Relaxes queries on a memory. Holds no state between calls: one relaxer may serve many threads at once.
///
/// x_0 is the query; for t = 1, 2, …: x_t = g(x_{t−1}, u(x_{t−1})), E_t = E(x_t). Two promises hold, bit for bit: a
/// query's result does not depend on the other queries of its batch, on its position or on the number of threads; and
/// halting returns what relaxing the query alone for as many steps returns.
class ATTRACTOR_EXPORT Relaxer {
  /// Has no values: a list of it is empty.
  struct Empty {
    Empty() = delete;
  };

 public:
  /// Keeps the memory as it is now; later changes to `memory` have no effect on this relaxer.
  ///
  /// @throws NotSupported an asynchronous update on a memory whose weights are normalised.
  /// @throws InvalidArgument max_steps or patience below 1, a tolerance, gain or rate that is negative or NaN, a blend
  ///         rate outside (0, 1], a negative number of threads.
  explicit Relaxer(Memory memory, const RelaxerOptions& options = {});

  /// The same on several CUDA devices: each gets a copy of the memory and relaxes a share of the queries, which must be
  /// on the host, as must the results.
  ///
  /// @throws InvalidArgument also for no devices, one named twice, or several of which one isn't a CUDA device.
  /// @throws NotSupported the devices differ in compute capability, number of multiprocessors or shared memory, so that
  ///         results would depend on which device takes a query.
  /// @throws DeviceError, OutOfDeviceMemory a copy of the memory could not be made.
  ///
  /// Devices are a span or what converts to one, or in braces; empty braces are options.
  template <std::convertible_to<std::span<const Device>> Devices>
  Relaxer(const Memory& memory, const Devices& devices, const RelaxerOptions& options = {})
      : Relaxer(std::span<const Device>(devices), memory, options) {}
  template <std::size_t count>
  Relaxer(const Memory& memory, const Device (&devices)[count], const RelaxerOptions& options = {})
      : Relaxer(std::span<const Device>(devices), memory, options) {}

  /// Relaxes every row of `queries` [B × D] and returns the results, states as floats. B = 0 returns empty results.
  /// Queries of other formats than float are read as the floats that they stand for; linear memories whose states are
  /// bits take bits as they are.
  ///
  /// @throws InvalidArgument null data, other than D columns, a stride below D, a clamp mask of another shape, valid
  ///         patterns or log-priors that are neither [1 × P] nor [B × P], betas that aren't finite and positive, or
  ///         whose ratios to the memory's own leave the range of float.
  /// @throws NotSupported valid patterns or log-priors on a memory whose weights aren't normalised; betas on one
  ///         without a beta; queries in 16 bits on a memory on a CUDA device.
  /// Queries, what comes with the call, and results may each be on the host or, for a memory on a CUDA device, on that
  /// device; host data stream through the device in chunks, so that neither queries nor results need fit its memory.
  /// Data on a device may still be on their way on its default stream, or on that of the calling thread, on other
  /// streams not.
  /// @throws std::bad_alloc
  /// @throws DeviceError a call to the device failed; OutOfDeviceMemory it has no room. The relaxer stays usable.
  /// @throws NotSupported data on a device while an application's stream that waits for the default stream is captured.
  /// Blocks until done. Extra memory: a few tiles of states for each thread (asynchronous updates: see there), on CUDA
  /// two chunks in flight for each device; independent of B. The memory keeps the latter for the next calls, up to 1
  /// GiB on each device.
  [[nodiscard]] Relaxation relax(const QueryView& queries, const RelaxCall& call = {}) const;
  /// With empty braces, which could be a call or results: a call.
  [[nodiscard]] Relaxation relax(const QueryView& queries, std::initializer_list<Empty> /*call*/) const {
    return relax(queries);
  }

  /// The same into the caller's buffers, states and contents in any format that holds them, or states in place of the
  /// queries: see RelaxationView. Queries that a cancelled call hasn't begun stay what they are; after a failure of a
  /// device those relaxed in place are undefined, as all results are.
  ///
  /// @throws InvalidArgument also for an output of the wrong shape, one that overlaps the queries, what comes with the
  ///         call or another output, or one that these options do not produce; where states or contents may not fit
  ///         their format.
  /// @throws NotSupported also for states in 16 bits, or contents that aren't floats, of a memory on a CUDA device.
  void relax(const QueryView& queries, const RelaxationView& results, const RelaxCall& call = {}) const;

  [[nodiscard]] const Memory& memory() const { return memory_; }
  [[nodiscard]] const std::vector<Device>& devices() const { return devices_; }  ///< where queries relax
  [[nodiscard]] const RelaxerOptions& options() const { return options_; }       ///< with `update` always set

 private:
  friend struct detail::Access;

  Relaxer(std::span<const Device> devices, const Memory& memory, const RelaxerOptions& options);

  /// With the default halting rule of a call's last beta.
  [[nodiscard]] RelaxerOptions options_at(std::span<const float> betas) const;

  /// `given`: those of the results that the caller has made room for.
  void run(const QueryView& queries, const RelaxationView& results, const RelaxCall& call,
           const detail::PatternTerms& terms, const RelaxationView& given) const;

  Memory memory_;                 ///< on the first device
  std::vector<Memory> replicas_;  ///< on the others
  std::vector<Device> devices_;
  RelaxerOptions options_;
  bool default_halting_;  ///< none was asked for
};

}  // namespace attractor
