#pragma once

/// Separations: how scores become weights of the readout. The library has each formula once, for every instruction set,
/// device and the reference.
///
/// A pointwise one takes each score h to its own weight p = f(h) and has a potential F, F' = f. A normalised one needs
/// all scores of a state: its weights are not negative and sum to 1, and it has a potential Ω*(s) whose gradient they
/// are in proportion to: in all but the last it is the gradient, and Ω* the convex conjugate of a negative entropy Ω (a
/// Fenchel–Young pair; Santos et al. 2024, Hopfield–Fenchel–Young networks). Each lists its name and parameters as
/// files and descriptions have them.

#include <string_view>
#include <variant>

#include <attractor/parameter.hpp>

namespace attractor {

/// p = h, F = h²/2: linear associative memories (Hopfield 1982; energy −½xᵀWx).
struct LinearSeparation {};

/// p = hⁿ⁻¹, F = hⁿ/n: dense associative memories of order n (Krotov, Hopfield 2016). Rectified, a negative score
/// counts as 0.
struct PolynomialSeparation {
  int order = 3;  ///< n, 2 … 30
  bool rectified = false;
};

/// One of the pointwise separations above.
using PointwiseSeparation = std::variant<LinearSeparation, PolynomialSeparation>;

/// p ∝ exp(s), Ω* = log Σ exp(s): modern Hopfield networks, attention (Ramsauer et al. 2020).
struct SoftmaxSeparation {
  static constexpr std::string_view name = "softmax";
  template <class Self, class Visit>
  static void visit_parameters(Self& /*self*/, const Visit& /*visit*/) {}
};

/// p = [(α−1)s − τ]₊^(1/(α−1)) with the τ for which p sums to 1, Ω* = pᵀs − (Σ p^α − 1)/(α(α−1)): most weights are
/// exactly 0, and so a stored pattern can be retrieved exactly. α = 2 is sparsemax (Martins, Astudillo 2016; Peters et
/// al. 2019; sparse Hopfield networks, Hu et al. 2023); towards 1 it becomes softmax.
struct EntmaxSeparation {
  float alpha = 1.5F;  ///< α, 1.05 … 2

  static constexpr std::string_view name = "entmax";
  template <class Self, class Visit>
  static void visit_parameters(Self& self, const Visit& visit) {
    constexpr detail::Range range{.least = double{1.05F}, .most = 2.0, .words = "in [1.05, 2]"};
    visit(detail::Parameter{"alpha", range, "alpha of entmax"}, self.alpha);
  }
};

/// p ∝ y^(1/(γ−1)), y = [s − τ]₊ with the τ for which Σ y^(γ/(γ−1)) = 1, Ω* = τ + 1: the entropy is 1 − ‖p‖_γ, a norm's
/// (Blondel, Martins, Niculae 2020, norm entropies; Hopfield–Fenchel–Young networks, Santos et al. 2024). Sparse as
/// entmax is; weights of nearly equal scores stay nearly equal the larger γ is, towards 1 the largest takes all.
struct NormmaxSeparation {
  float gamma = 2.0F;  ///< γ, 1.1 … 2

  static constexpr std::string_view name = "normmax";
  template <class Self, class Visit>
  static void visit_parameters(Self& self, const Visit& visit) {
    constexpr detail::Range range{.least = double{1.1F}, .most = 2.0, .words = "in [1.1, 2]"};
    visit(detail::Parameter{"gamma", range, "gamma of normmax"}, self.gamma);
  }
};

/// Softmax over the k patterns with the largest scores, those stored first where scores are equal up to the rounding of
/// what they lie below the largest; Ω* = log Σ exp(s) over them. k = 1 is the maximum (universal Hopfield networks,
/// Millidge et al. 2022). Weights jump where the k-th score changes hands.
struct TopSeparation {
  int count = 1;  ///< k ≥ 1; more than there are patterns: all of them

  static constexpr std::string_view name = "top";
  template <class Self, class Visit>
  static void visit_parameters(Self& self, const Visit& visit) {
    constexpr detail::Range range{.least = 1.0, .words = "at least 1"};
    visit(detail::Parameter{"count", range, "number of top patterns"}, self.count);
  }
};

/// Of the n patterns with s > −1 each weighs 1/n, the others nothing; Ω* = log(ε + Σ [1 + s]₊), the log-sum of
/// rectified lines (Hoover et al. 2025, dense associative memory with Epanechnikov energy). Scores count as they are,
/// not by what they lie below the largest: similarities must be distances. Of squared ones, s = −½β‖a − x‖² + b, a
/// pattern reaches as far as a ball of radius √(2(1 + b)/β) around it, and its readout is a step of mean shift with the
/// Epanechnikov kernel. Where balls overlap their centroid may be a minimum that no stored pattern is.
///
/// A state in no ball has no gradient: its readout is the state itself, its energy −β⁻¹ log ε. Weights jump where a
/// state crosses the border of a ball, which rounding moves by about 1e-7 √D of its radius.
struct EpanechnikovSeparation {
  float epsilon = 1e-6F;  ///< ε in (0, 1]: how high energies are outside all balls

  static constexpr std::string_view name = "epanechnikov";
  template <class Self, class Visit>
  static void visit_parameters(Self& self, const Visit& visit) {
    constexpr detail::Range range{.least = 0.0, .most = 1.0, .open = true, .words = "in (0, 1]"};
    visit(detail::Parameter{"epsilon", range, "epsilon of epanechnikov"}, self.epsilon);
  }
};

/// One of the normalised separations above.
using NormalisedSeparation =
    std::variant<SoftmaxSeparation, EntmaxSeparation, NormmaxSeparation, TopSeparation, EpanechnikovSeparation>;

constexpr NormalisedSeparation softmax() { return SoftmaxSeparation{}; }
constexpr NormalisedSeparation sparsemax() { return EntmaxSeparation{2.0F}; }
constexpr NormalisedSeparation entmax(float alpha = 1.5F) { return EntmaxSeparation{alpha}; }
constexpr NormalisedSeparation normmax(float gamma = 2.0F) { return NormmaxSeparation{gamma}; }
constexpr NormalisedSeparation top(int count) { return TopSeparation{count}; }
constexpr NormalisedSeparation epanechnikov(float epsilon = 1e-6F) { return EpanechnikovSeparation{epsilon}; }

}  // namespace attractor
