#pragma once

/// The jobs that the micro-benchmarks measure.

#include <string>
#include <vector>

#include <attractor/attractor.hpp>

namespace attractor::bench {

/// One memory and its queries.
struct Shape {
  std::string name;
  Memory memory;
  RelaxerOptions options;  ///< with halting
  Matrix<float> queries;
  double halting_cost;  ///< c of the halting efficiency

  /// Floating-point operations of one step of one query: the products alone, a multiply-add counted as two.
  [[nodiscard]] double step_flops() const;
};

Shape hebbian_128(const Device& device);      ///< N = 128, P = 8
Shape hebbian_1024(const Device& device);     ///< N = 1024, P = 64, factored
Shape projection_1024(const Device& device);  ///< N = 1024, P = 512, dense
Shape hopfield_4096(const Device& device);    ///< P = 4096, D = 64
Shape hopfield_57086(const Device& device);   ///< P = 57,086, D = 256

}  // namespace attractor::bench
