#include "bench/micro/product.hpp"

#include <algorithm>
#include <stdexcept>

namespace attractor::bench {
namespace {

using dnnl::memory;

constexpr float any_value = 0.5F;

memory::desc matrix_desc(Index rows, Index columns, memory::format_tag layout) {
  return {{rows, columns}, memory::data_type::f32, layout};
}

dnnl::matmul::primitive_desc product_desc(const dnnl::engine& engine, Index m, Index n, Index k) {
  return {dnnl::matmul::desc(matrix_desc(m, k, memory::format_tag::ab), matrix_desc(k, n, memory::format_tag::any),
                             matrix_desc(m, n, memory::format_tag::ab)),
          engine};
}

void fill(Matrix<float>& matrix) { std::fill_n(matrix.data(), matrix.size(), any_value); }

void fill(const memory& matrix) {
  std::fill_n(static_cast<float*>(matrix.get_data_handle()), matrix.get_desc().get_size() / sizeof(float), any_value);
}

}  // namespace

PackedProduct::PackedProduct(Index m, Index n, Index k) {
  const dnnl::matmul::primitive_desc desc = product_desc(engine_, m, n, k);
  product_ = dnnl::matmul(desc);
  a_ = memory(desc.src_desc(), engine_);
  b_ = memory(desc.weights_desc(), engine_);
  c_ = memory(desc.dst_desc(), engine_);
  fill(a_);
  fill(b_);
  fill(c_);
}

void PackedProduct::run() {
  product_.execute(stream_, {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, c_}});
  stream_.wait();
}

PlainProduct::PlainProduct(Index m, Index n, Index k) : m_(m), n_(n), k_(k), a_(m, k), b_(k, n), c_(m, n) {
  fill(a_);
  fill(b_);
  fill(c_);
}

void PlainProduct::run() {
  const dnnl::status status =
      dnnl::sgemm('N', 'N', m_, n_, k_, 1.0F, a_.data(), k_, b_.data(), n_, 0.0F, c_.data(), n_);
  if (status != dnnl::status::success) throw std::runtime_error("sgemm failed");
}

}  // namespace attractor::bench
