#pragma once

/// What the documents' C++ blocks find: every header that they may include, and data. A block that includes another
/// header doesn't compile, for it would do so inside of a namespace: add it here.

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <limits>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <attractor/attractor.hpp>

namespace documents {

using attractor::Matrix;

/// 8 random patterns of 128 neurons, ±1.
inline Matrix<float> make_patterns() {
  std::mt19937 rng(1);
  Matrix<float> result(8, 128);
  std::generate_n(result.data(), result.size(), [&] { return rng() % 2 == 0 ? 1.0F : -1.0F; });
  return result;
}

/// 64 copies of patterns, that of i mod 8 in row i, a tenth of whose neurons are flipped.
inline Matrix<float> make_queries(const Matrix<float>& patterns) {
  std::mt19937 rng(2);
  Matrix<float> result(64, patterns.columns());
  for (attractor::Index i = 0; i < result.rows(); ++i)
    for (attractor::Index j = 0; j < result.columns(); ++j)
      result(i, j) = patterns(i % patterns.rows(), j) * (rng() % 10 == 0 ? -1.0F : 1.0F);
  return result;
}

/// Of each pattern: its number, one-hot.
inline Matrix<float> make_contents(const Matrix<float>& patterns) {
  Matrix<float> result(patterns.rows(), patterns.rows());
  std::fill_n(result.data(), result.size(), 0.0F);
  for (attractor::Index i = 0; i < result.rows(); ++i) result(i, i) = 1.0F;
  return result;
}

inline const Matrix<float> patterns = make_patterns();
inline const Matrix<float> queries = make_queries(patterns);
inline const Matrix<float> contents = make_contents(patterns);

/// The share of rows whose signs are those of the pattern that they came from.
inline double recovered(const Matrix<float>& states) {
  int count = 0;
  for (attractor::Index i = 0; i < states.rows(); ++i) {
    const float* const origin = patterns.row(i % patterns.rows());
    count += std::equal(origin, origin + patterns.columns(), states.row(i),
                        [](float a, float b) { return (a > 0) == (b > 0); })
                 ? 1
                 : 0;
  }
  return static_cast<double>(count) / static_cast<double>(states.rows());
}

inline void write(const char* path, const Matrix<float>& rows) {
  attractor::ArrayFile file(path, attractor::ElementType::float32, rows.rows(), rows.columns());
  std::copy_n(rows.data(), rows.size(), file.elements<float>().data);
}

struct Block {
  const char* place;
  int (*run)();
};

/// Runs them in the order of the pages, in the current folder, in which the data lie as files. 0 if none has failed.
inline int run_all(const std::vector<Block>& blocks) {
  write("patterns.npy", patterns);
  write("queries.npy", queries);
  for (const Block& block : blocks) {
    std::cout << "== " << block.place << std::endl;
    try {
      if (block.run() != 0) return 1;
    } catch (const std::exception& error) {
      std::cerr << block.place << ": " << error.what() << '\n';
      return 1;
    }
  }
  return blocks.empty() ? 1 : 0;
}

}  // namespace documents
