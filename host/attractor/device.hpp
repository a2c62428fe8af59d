#pragma once

/// Where memories live and queries relax.

#include <string>

#include <attractor/export.hpp>

namespace attractor {

/// A processor that holds memories and relaxes queries. A small value; copies name the same device.
class ATTRACTOR_EXPORT Device {
 public:
  enum class Kind : unsigned char { cpu };

  /// The host's processor cores.
  static Device cpu();

  /// The fastest device of this machine that this build can use.
  static Device best();

  [[nodiscard]] Kind kind() const { return kind_; }

  /// For people: the kind and the instruction set in use, for example "cpu (AVX3)".
  [[nodiscard]] std::string description() const;

  friend bool operator==(const Device&, const Device&) = default;

 private:
  explicit Device(Kind kind) : kind_(kind) {}
  Kind kind_;
};

}  // namespace attractor
