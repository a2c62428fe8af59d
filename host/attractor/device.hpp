#pragma once

/// Where memories live and queries relax.

#include <string>
#include <string_view>
#include <vector>

#include <attractor/export.h>

namespace attractor {

/// A processor that holds memories and relaxes queries. A small value; copies name the same device.
class ATTRACTOR_EXPORT Device {
 public:
  enum class Kind : unsigned char { cpu, cuda };

  /// The host's processor cores.
  static Device cpu();

  /// The CUDA device with this number, as the CUDA runtime counts them.
  ///
  /// @throws NotSupported a build without CUDA; a driver too old for it; a device that it has no code for.
  /// @throws InvalidArgument there is no such device.
  static Device cuda(int index = 0);

  /// The CUDA devices of this machine that this build has code for, in the runtime's order; none without a driver or in
  /// a build without CUDA. The first call makes a context on the first device of each compute capability.
  static std::vector<Device> cuda_devices();

  /// How many these are. Their numbers need not be the first ones.
  static int cuda_count();

  /// The fastest device of this machine that this build can use: the first CUDA device, or the processor's cores.
  static Device best();

  /// The one with this name: "best", "cpu", "cuda" (that of number 0) or "cuda:1".
  ///
  /// @throws InvalidArgument another name. @throws also as the functions above.
  static Device named(std::string_view name);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] int index() const { return index_; }  ///< the CUDA device's number; 0 for the CPU

  /// For people: the kind and what is in use, for example "cpu (AVX3)" or "cuda:0 (NVIDIA H100, compute
  /// capability 9.0)". The CPU's says if a driver that won't do hides CUDA devices.
  [[nodiscard]] std::string description() const;

  friend bool operator==(const Device&, const Device&) = default;

 private:
  Device(Kind kind, int index) : kind_(kind), index_(index) {}
  Kind kind_;
  int index_;
};

}  // namespace attractor
