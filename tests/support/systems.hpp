#pragma once

/// Every kind of memory beside its oracle, and how far float arithmetic may take one from the other.

#include <functional>
#include <iosfwd>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <attractor/memory.hpp>
#include <attractor/update.hpp>

#include "core/reference/relaxation.hpp"

namespace attractor::test {

/// A memory and the model that it must agree with.
struct System {
  Memory memory;
  reference::Model model;
  reference::Vector self_coupling = {};  ///< linear: the diagonal of W before it is cleared
};

/// Values as the oracle has them, and how far float arithmetic may take each from that.
struct Bounded {
  reference::Vector values;
  reference::Vector bounds = {};
};

/// A memory with contents, and what it must read out at a state.
struct ContentSystem {
  Memory memory;
  std::function<Bounded(std::span<const double> state)> recall;
};

struct SystemKind {
  std::string name;
  bool independent_patterns = false;  ///< the patterns must be linearly independent
  Index least_dimension = 1;          ///< of patterns
  bool bounded_updates = false;       ///< readouts may leave the range of float unless an update bounds the states
  std::function<Memory(MatrixView<const float> patterns)> memory;
  std::function<System(MatrixView<const float> patterns)> system;  ///< slow: the oracle is
  /// Contents may be empty: the memory has none, and reads its patterns out. Null where it can't.
  std::function<ContentSystem(MatrixView<const float> patterns, MatrixView<const float> contents)> contents = {};
  bool weights_sum_to_one = false;
  /// Readouts are plain means of some patterns, so that of patterns of ±1 many entries are exactly 0: no data for
  /// signs.
  bool plain_means = false;

  [[nodiscard]] bool bears(const Update& update) const;
};

struct NamedUpdate {
  std::string name;
  Update update;
};

/// Those that read contents out.
std::vector<SystemKind> content_systems();

/// Every rule in every form: factored and dense, with and without self-coupling; several β.
const std::vector<SystemKind>& all_systems();

/// These, and on the CPU adaptive memories that round terms, on CUDA softmax ones that round products, which follow the
/// oracle's scores but not its path.
std::vector<SystemKind> systems_with_rounding();

/// Every update, several parameters.
const std::vector<NamedUpdate>& all_updates();

/// Every system with each update that it bears.
std::vector<std::tuple<SystemKind, NamedUpdate>> systems_and_updates();

std::ostream& operator<<(std::ostream& out, const SystemKind& kind);
std::ostream& operator<<(std::ostream& out, const NamedUpdate& update);

/// Bounds on the rounding errors of one step and one energy at a state, to first order in the unit roundoff
/// u = 2⁻²⁴. A float sum of n products errs by at most γ_n Σ|a_i b_i|, γ_n = nu, in any order of summation (Higham,
/// Accuracy and Stability of Numerical Algorithms, §3.1).
///
/// Linear memories. W, its diagonal kept, is FᵀF, so |F|ᵀ|F| and |W| are both at most √W_ii √W_jj by Cauchy and
/// Schwarz. With S = Σ_j √W_jj |x_j|, u_i = (Wx)_i errs by at most γ_{D+P+8} √W_ii S in the dense and in the factored
/// form (8 for rounding W or F itself, the scale, and taking the diagonal out), and ½xᵀu by at most γ_{D+P+8} S².
/// Thresholds add γ_2 |θ_i| and γ_{D+P+8} Σ|θ_i x_i|.
///
/// Contents read out in place of the patterns are off by as much, the square roots of their own sizes for √W_ii.
///
/// Pointwise memories h = Ax/D, u = Aᵀp(h). A score errs by at most η = γ_{D+4}‖a‖‖x‖/D, hence its weight by what f
/// changes between |h| and |h| + η, and by γ_{2n+4} of that for its powers; summing adds γ_P Σ|p a|. An energy errs by
/// D times the same of F.
///
/// Softmax memories. A score βa·x errs by at most σ = γ_{D+8} β max‖a‖ ‖x‖, likewise one of another similarity by
/// γ_{D+8} times the magnitudes of its terms: those of −½‖a − x‖² beside the product max‖a‖², those of the Manhattan
/// distance max‖a‖₁ + ‖x‖₁, those of a cosine 1. Hence each weight relatively by 2σ, plus γ_{2P+16} for exponentials,
/// sums and rescaling; u is an average of pattern entries under these weights. The energy errs by what lse errs, over
/// β, plus γ_{D+P+16} times the sum of the magnitudes of its terms.
///
/// Entmax in place of softmax: its Jacobian is diag(q) − qqᵀ/Σq with q = p^(2−α) (Peters et al. 2019), so that errors
/// of at most σ + γ_16/(α−1), in scores and their excesses, move weights by at most 2 Σ q ≤ 2n^(α−1) times as much in
/// all, n of them having or nearly having one. Its potential errs by at most what scores do, being an average of them.
/// Top: as softmax, unless errors of scores could change who is among the top: then weights are open, the potential
/// isn't.
///
/// Epanechnikov: a score −½β‖a − x‖² is a sum of squared differences, and errs by σ = γ_{D+8} β times the largest of
/// them, one of the Manhattan distance as above. Where none of them is that near −1 the weights are those of the
/// oracle, and means of n patterns err by γ_{2P+16}; else they are open, bounds infinite. Σ [1 + s]₊ errs by at most σ
/// + γ_4 for each pattern that has or might have a weight, its logarithm by what that makes of it.
///
/// Adaptive memories. A term errs by at most 3u of itself, and so does a ranked one, for relative errors keep order
/// statistics between monotone bounds. With R ranks, G groups and S the largest Σ |βv| |q| of a pattern, every weight
/// taken for the largest, a score errs by at most γ_{R+G+12} S, and by what rounded terms add (TermPrecision).
struct RoundingBound {
  reference::Vector field = {};  ///< of each u_i
  reference::Vector zero = {};   ///< what of each u_i a sign update may take for 0: rounding, or what it must
  double energy = 0.0;
  double weights = 0.0;  ///< softmax: relative, of each weight
};

RoundingBound rounding_bound(const System& system, std::span<const double> state);

/// What errors of `field` in u become in x' = g(x, u): every g here is Lipschitz in u with its gain or rate or 1,
/// except sign, which is exact where |u| exceeds the error. 8u(|x| + gain|u| + 1) is for g's own arithmetic; library
/// tanh errs by fewer than 8 units in the last place.
reference::Vector next_state_bound(const Update& update, const RoundingBound& bound, std::span<const double> state,
                                   std::span<const double> field);

/// Whether sign(u_i) may differ because u_i is within its rounding error of 0.
bool sign_is_open(const Update& update, double field, double bound);

reference::Vector to_double(std::span<const float> values);

}  // namespace attractor::test
