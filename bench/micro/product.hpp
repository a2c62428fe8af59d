#pragma once

/// Matrix products by oneDNN: the machine's own rate, that relaxation is measured against.

#include <attractor/matrix.hpp>
#include <dnnl.hpp>

namespace attractor::bench {

/// C = AB for row-major A [m × k] and B [k × n], with B packed beforehand in the layout the product likes best.
class PackedProduct {
 public:
  PackedProduct(Index m, Index n, Index k);
  void run();

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::matmul product_;
  dnnl::memory a_;
  dnnl::memory b_;
  dnnl::memory c_;
};

/// The same by the BLAS-like call, B as it lies.
class PlainProduct {
 public:
  PlainProduct(Index m, Index n, Index k);
  void run();

 private:
  Index m_;
  Index n_;
  Index k_;
  Matrix<float> a_;
  Matrix<float> b_;
  Matrix<float> c_;
};

}  // namespace attractor::bench
