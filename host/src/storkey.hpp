#pragma once

/// Storkey's rule, see Memory::storkey: what a pattern adds to the weights depends on those so far, which are kept in
/// double precision for patterns that follow.

#include <attractor/matrix.hpp>

namespace attractor::detail {

class Storkey {
 public:
  Storkey() = default;
  Storkey(const Storkey& other);
  Storkey(Storkey&& other) noexcept = default;
  Storkey& operator=(const Storkey& other) = delete;
  Storkey& operator=(Storkey&& other) noexcept = default;
  ~Storkey() = default;

  /// Patterns learned so far.
  [[nodiscard]] Index count() const { return count_; }

  /// Learns more patterns after those so far; the weights W [D × D] then.
  ///
  /// @throws InvalidArgument they leave the range of float. @throws std::bad_alloc. This is of no more use then.
  /// Complexity: O(pD²).
  Matrix<float> learn(MatrixView<const float> patterns);

 private:
  void learn_one(const float* pattern);
  [[nodiscard]] Matrix<float> rounded() const;

  Index count_ = 0;
  Matrix<double> weights_;  ///< exactly symmetric
};

}  // namespace attractor::detail
