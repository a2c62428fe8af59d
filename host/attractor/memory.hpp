#pragma once

/// Pattern memories: patterns stored as attractors of an energy.

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <attractor/export.h>
#include <attractor/device.hpp>
#include <attractor/matrix.hpp>
#include <attractor/pattern_storage.hpp>
#include <attractor/product_precision.hpp>
#include <attractor/separation.hpp>
#include <attractor/similarity.hpp>
#include <attractor/update.hpp>

namespace attractor {

namespace detail {
struct MemoryState;
struct Access;
}  // namespace detail

/// How a linear memory's local field u = Wx is evaluated. Both forms give the same answer up to rounding.
/// Contents are read out in the same form: from the scores Fx, or through weights of their own.
enum class Evaluation : unsigned char {
  automatic,  ///< the form that needs fewer operations: factored while 2P < D (P rounded up to the kernel's tile)
  factored,   ///< u = scale·Fᵀ(Fx) − diag·x: 4PD flops a step, memory P×D, and P×M for contents
  dense,      ///< u = Wx: 2D² flops a step, memory D×D, and M×D for contents
};

/// Where a linear memory on a CUDA device is read from at each step. Either way gives the same answer up to rounding;
/// on the CPU it means nothing.
enum class Placement : unsigned char {
  automatic,  ///< resident where it fits
  resident,   ///< the shared memory of each multiprocessor: a call is one launch; what asynchronous updates read is
              ///< kept in device memory beside. Not with thresholds. Larger ones fit for tanh updates, see the
              ///< documents on GPUs; by other updates these are streamed
  streamed,   ///< device memory: any size
};

struct HebbianOptions {
  bool self_coupling = false;  ///< keep the diagonal of W; by default it is zero
  /// The covariance rule: patterns less their mean activity a, that of all entries, W = (A − a)ᵀ(A − a)/D (Amit,
  /// Gutfreund, Sompolinsky 1987; Tsodyks, Feigel'man 1988). For patterns with many more neurons of one kind than of
  /// the other, which else all look alike.
  bool centred = false;
  /// Learning rate η > 0 and decay λ in (0, 1] of the weights with each pattern learned, in the order stored: W ← λW +
  /// η ξξᵀ/D. Below 1 old patterns fade as new ones come, and the memory never fills up (palimpsests: Nadal, Toulouse,
  /// Changeux, Dehaene 1986; Mézard, Nadal, Toulouse 1986); `imprint` goes on where it was (but for the mean activity
  /// of `centred`, that of all patterns), and a pattern forgotten is as if it had never been learned.
  float rate = 1.0F;
  float decay = 1.0F;
  /// θ [D]: what a neuron's field must exceed, u = Wx − θ and E = −½xᵀWx + θᵀx; −θ is an external field. Empty: all 0.
  std::vector<float> thresholds = {};
  Evaluation evaluation = Evaluation::automatic;
  Placement placement = Placement::automatic;
  /// P×M contents C read out at the end of a relaxation, CᵀAx/D, with `centred` Cᵀ(A − a)x/D: the correlation-matrix
  /// memory (Kohonen 1972; Amari 1972; Nakano 1972: the associatron), learned and fading as W is. Thresholds are those
  /// of states alone. None: auto-associative.
  MatrixView<const float> contents = {};
};

struct ProjectionOptions {
  bool self_coupling = false;  ///< keep the diagonal of W; by default it is zero
  /// Ridge λ ≥ 0 in W = Aᵀ(AAᵀ/D + λI)⁻¹A/D. With λ = 0 the patterns must be linearly independent; any λ > 0 accepts
  /// duplicate and dependent patterns and shrinks their field: patterns are then no longer exact fixed points.
  float ridge = 0.0F;
  std::vector<float> thresholds = {};  ///< θ [D], see HebbianOptions
  Evaluation evaluation = Evaluation::automatic;
  Placement placement = Placement::automatic;
  /// P×M contents C read out at the end of a relaxation, Cᵀ(AAᵀ/D + λI)⁻¹Ax/D: the optimal linear associative memory
  /// (Kohonen, Ruohonen 1973), which with λ = 0 gives each stored pattern's own contents. None: auto-associative.
  MatrixView<const float> contents = {};
};

struct StorkeyOptions {
  std::vector<float> thresholds = {};  ///< θ [D], see HebbianOptions
  Placement placement = Placement::automatic;
};

struct BidirectionalOptions {
  Index first = 1;                     ///< N, the neurons of the first layer, 1 … D − 1; the others are the second
  std::vector<float> thresholds = {};  ///< θ [D] of both layers, see HebbianOptions
  Placement placement = Placement::automatic;
};

struct DenseAssociativeOptions {
  int order = 3;           ///< n of the energy's powers, 2 … 30
  bool rectified = false;  ///< patterns with a negative overlap count for nothing, as with F(h) = max(h, 0)ⁿ/n
  /// P×M contents C read out at the end of a relaxation, Cᵀhⁿ⁻¹; none: auto-associative.
  MatrixView<const float> contents = {};
};

struct MinervaOptions {
  /// P×M contents C read out at the end of a relaxation, Cᵀh³; none: auto-associative.
  MatrixView<const float> contents = {};
};

struct ModernHopfieldOptions {
  /// Inverse temperature β > 0 of the scores s = β sim(A, x) + b; a call may bring others, see RelaxCall::betas.
  float beta = 1.0F;
  Similarity similarity = Similarity::dot;
  /// How scores become weights p: softmax(), sparsemax(), entmax(alpha), normmax(gamma), top(count) or, with distances,
  /// epanechnikov(epsilon), see <attractor/separation.hpp>.
  NormalisedSeparation separation = softmax();
  /// What entries of patterns are kept as. float16 and bfloat16 take half the memory; on the CPU only.
  PatternStorage storage = PatternStorage::float32;
  /// b [P]; empty: all 0. Finite, or −∞ for patterns that are never retrieved, but not for all. A constant common to
  /// all changes nothing but the energy's zero; with epanechnikov a prior is its pattern's own reach.
  std::vector<float> log_prior = {};
  /// P×M contents read out at the end of a relaxation, p(s)ᵀC, NaN where all p are 0; none: auto-associative.
  MatrixView<const float> contents = {};
  /// What entries of contents are kept as, as `storage` for patterns; float32 where there are no contents.
  PatternStorage content_storage = PatternStorage::float32;
  /// Of scores and readouts in relaxations and recalls. `fast`, by one float16 product where `full` takes two or three,
  /// is for CUDA devices, softmax, and dot products or squared distances; on the CPU it is `full`.
  ProductPrecision precision = ProductPrecision::full;
};

struct ExponentialOptions {
  float beta = 1.0F;  ///< inverse temperature β > 0 of exp(β Ax); a call may bring others, see RelaxCall::betas
  PatternStorage storage = PatternStorage::float32;  ///< see ModernHopfieldOptions
  /// P×M contents read out at the end of a relaxation, softmax(βAx)ᵀC; none: auto-associative.
  MatrixView<const float> contents = {};
  PatternStorage content_storage = PatternStorage::float32;  ///< see ModernHopfieldOptions
  ProductPrecision precision = ProductPrecision::full;       ///< see ModernHopfieldOptions
};

/// What rules have beside their parameters: a value for each neuron or pattern.
struct RuleArrays {
  std::vector<float> thresholds = {};     ///< θ [D] of linear memories, see HebbianOptions
  std::vector<float> log_prior = {};      ///< b [P] of modern Hopfield memories, see ModernHopfieldOptions
  MatrixView<const float> contents = {};  ///< P×M, read out at the end of a relaxation; none: auto-associative
};

struct AdaptiveOptions {
  /// P×M contents read out at the end of a relaxation, softmax(s)ᵀC; none: auto-associative.
  MatrixView<const float> contents = {};
};

/// A set of stored patterns together with the energy they are attractors of.
///
/// A memory may have no patterns yet, or none any more: queries keep their state then under any update, thresholds
/// included, and halt as soon as their rule lets them, with energy 0. Nothing is retrieved (−1), and what is recalled
/// is 0. Such a memory is relaxed on the host, with data there, whatever its device.
///
/// A Memory is a value: copies are cheap (they share the stored state until one of them changes) and independent.
/// Any number of threads and relaxers may use one Memory at once, as long as none of them modifies that same object.
/// Every function either succeeds or leaves the memory as it was.
class ATTRACTOR_EXPORT Memory {
 public:
  /// Hebb's rule: W = AᵀA/D, zero diagonal; energy −½xᵀWx (Hopfield 1982). Thresholds, a learning rate and decay: see
  /// the options.
  ///
  /// With sign updates patterns should be of ±1, as the states are. Patterns of 0 and 1 are no attractors; store
  /// `to_bipolar(patterns)`, relax `to_bipolar(queries)` and read `to_binary(states)`, see <attractor/bipolar.hpp>.
  /// Where far from half of the neurons are active, `centred` too.
  ///
  /// @param patterns [P × D] on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memory; queries relax there. @param options see HebbianOptions.
  /// @throws InvalidArgument null data, a dimension that isn't positive, a stride below D, a value that isn't finite,
  /// thresholds that are not [D], contents that don't have P rows, or a rate or decay outside its range.
  /// @throws NotSupported resident placement with thresholds, or on a CUDA device whose shared memory is too small.
  /// @throws DeviceError, OutOfDeviceMemory a CUDA device failed. Complexity: O(PD + PM) factored, O(PD² + PDM) dense.
  static Memory hebbian(const Device& device, MatrixView<const float> patterns, const HebbianOptions& options = {});

  /// Projection (pseudo-inverse) rule: W = Aᵀ(AAᵀ)⁻¹A, zero diagonal; energy −½xᵀWx. Stores correlated patterns
  /// (Personnaz, Guyon, Dreyfus 1985; Kanter, Sompolinsky 1987 for the zero diagonal).
  ///
  /// @param patterns [P × D] on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memory; queries relax there. @param options see ProjectionOptions.
  /// @throws InvalidArgument as `hebbian`, or a ridge that is negative or not finite.
  /// @throws DependentPatterns ridge is 0 and a pattern depends linearly on those before it (P > D always does); the
  ///         message names the first such pattern.
  /// Complexity: O(P²D + P²M + P³) in double precision; dense O(PD² + PDM) beside.
  static Memory projection(const Device& device, MatrixView<const float> patterns,
                           const ProjectionOptions& options = {});

  /// Storkey's rule: patterns are learned one after another, each less what the weights so far make of it, W += (ξξᵀ −
  /// ξhᵀ − hξᵀ)/D with the local fields h_ij = Σ_{k≠i,j} W_ik ξ_k; zero diagonal, energy −½xᵀWx (Storkey 1997). It
  /// needs no more than the neurons that a weight joins, as Hebb's does, and stores about D/√(2 ln D) patterns,
  /// correlated ones too, to Hebb's D/(2 ln D). What it learns depends on the order of the patterns; weights are dense.
  ///
  /// @param patterns [P × D] of about ±1 on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memory; queries relax there. @param options see StorkeyOptions.
  /// @throws InvalidArgument as `hebbian`, or weights that leave the range of float, as entries far above 1 make them.
  /// @throws NotSupported, DeviceError, OutOfDeviceMemory as `hebbian`. Complexity: O(PD²) in double precision.
  static Memory storkey(const Device& device, MatrixView<const float> patterns, const StorkeyOptions& options = {});

  /// Bidirectional associative memory (Kosko 1988): pairs of patterns ξ of N neurons and η of M = D − N, each of which
  /// recalls the other. A state is [x | y], with the weights W = Σ ξᵀη/D between the layers and none inside: energy
  /// −xᵀWy, of all D neurons.
  ///
  /// A query of which one layer is known has zeros for the other. Sign updates keep neurons whose field is 0, so that
  /// the two layers take turns from there on, as published: x, y = sign(Wᵀx), x = sign(Wy), …; from a query that has
  /// both, both move at once, as two such memories do that know nothing of each other. Clamp a layer to have it stay:
  /// with thresholds, or another sign of 0, fields of the unknown layer's zeros move the known one otherwise.
  ///
  /// @param pairs [P × D], rows [ξ | η], on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memory; queries relax there. @param options see BidirectionalOptions.
  /// @throws as `hebbian`; InvalidArgument also for a first layer outside 1 … D − 1. Weights are dense. Complexity:
  /// O(PD²).
  static Memory bidirectional(const Device& device, MatrixView<const float> pairs, const BidirectionalOptions& options);

  /// Dense associative memory of order n: energy −D Σ_μ F(h_μ) with the overlaps h = Ax/D and F(h) = hⁿ/n, readout
  /// Aᵀhⁿ⁻¹ (Krotov, Hopfield 2016). It stores about Dⁿ⁻¹ patterns; n = 2 is Hebb's rule with
  /// self-coupling. For odd n −ξ isn't an attractor where ξ is; for even n, not rectified, it is.
  ///
  /// The usual energy −Σ(ξ·x)ⁿ is this one times nDⁿ⁻¹. For sign updates every overlap that is a float has its say, at
  /// any n, D and unit of patterns and queries: powers are taken in a unit of the state's own. Other updates take
  /// readouts as they are, 0 below the range of float; readout and blend updates may leave it for n > 2 and diverge.
  /// Halting judges energies in double, from 1e-308 on; results have them in float, where those below 1e-45 are 0.
  ///
  /// @param patterns [P × D] on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memory; queries relax there. @param options see DenseAssociativeOptions.
  /// @throws InvalidArgument as `hebbian`, or an order outside [2, 30].
  /// A step costs O(PD); extra memory is bounded, however many patterns.
  static Memory dense_associative(const Device& device, MatrixView<const float> patterns,
                                  const DenseAssociativeOptions& options = {});

  /// Minerva 2 (Hintzman 1984, 1986): a probe x activates each trace by the cube of its similarity h = Ax/D, the echo's
  /// content is Cᵀh³ and its intensity Σ h³. `recall` gives both; a relaxation feeds the content of the echo back as
  /// the next probe until it settles (deblurring), with signs unless another update is chosen. Energy −D Σ h⁴/4, of
  /// which Aᵀh³ is the gradient: it is the dense associative memory of order 4 (Krotov, Hopfield 2016), and its echo
  /// contracts a tensor of order 4 (Kelly, Mewhort, West 2017).
  ///
  /// Hintzman divides a similarity by the number of features that aren't 0 in the probe or in the trace. That is D
  /// unless a feature is 0 in both; for traces with zeros this h is his times the share of the features that either of
  /// the two has.
  ///
  /// @param traces [P × D], features of ±1, or 0 for one that wasn't encoded; on the host or, for a CUDA device, on
  /// that; finite, copied.
  /// @param device holds the memory; queries relax there. @param options see MinervaOptions.
  /// @throws as `hebbian`. Complexity: as `dense_associative`.
  static Memory minerva(const Device& device, MatrixView<const float> traces, const MinervaOptions& options = {});

  /// Modern Hopfield network: energy −lse(β, Ax) + ½xᵀx + β⁻¹ log P + ½ max‖a‖² (Ramsauer et al. 2020, eq. 2); its
  /// readout is softmax(βAx)ᵀA. A vector common to all patterns changes no weight: columns that are large against their
  /// spread are read less their mean, so that their digits aren't lost.
  ///
  /// With another separation its weights p take softmax's place and its potential Ω* that of log Σ exp: energy
  /// −β⁻¹Ω*(βAx) + ½xᵀx + β⁻¹Ω*(0) + ½ max‖a‖², which readout updates never raise (sparse Hopfield networks, Hu et al.
  /// 2023; Hopfield–Fenchel–Young networks, Santos et al. 2024; top(1): universal Hopfield networks' max, Millidge et
  /// al. 2022). Entmax finds its threshold in a few rounds over the scores that are near enough to the largest, top in
  /// up to 31. On the CPU, where more than 32,768 of over 65,536 patterns are that near for the queries in flight,
  /// scores are made anew for each round; on CUDA all scores of the queries in flight are kept.
  ///
  /// Universal Hopfield networks (Millidge et al. 2022) have other similarities too, u = p(β sim(A, x) + b)ᵀA with the
  /// energy −β⁻¹Ω*(s). That of squared distances falls along u − x, which is its negative gradient (with softmax the
  /// score of a mixture of Gaussians around the patterns), and readout updates never raise it: a blend update is a step
  /// of gradient flow, and with betas that rise from step to step one of a diffusion's probability flow; those of the
  /// Manhattan distance and of cosines are no more than watched. Distances are found from products, to about 1e-6 of
  /// ‖x‖² + ‖a‖²; cosines too, which lengths beyond 1e-18 to 1e18 take out of float's range.
  ///
  /// With the separation epanechnikov u is the mean of the patterns in whose ball x is, or x itself where it is in
  /// none: readout and blend updates leave such a state as it is, and its energy is −β⁻¹ log ε (Hoover et al. 2025,
  /// dense associative memory with Epanechnikov energy). That of squared distances is never raised by either. Its
  /// distances are sums of differences, to about 1e-7 √D of themselves, which costs up to twice as much as products.
  ///
  /// @param patterns [P × D] on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memory; queries relax there. @param options see ModernHopfieldOptions.
  /// @throws InvalidArgument as `hebbian`, beta not positive and finite, alpha outside [1.05, 2], a count below 1,
  /// epsilon outside (0, 1], epanechnikov with another similarity than squared_distance or manhattan,
  /// log-priors that are not [P], NaN, +∞ or all −∞, contents that don't have P rows, patterns or contents beyond the
  /// range of what they are stored as, contents to be stored as float16 or bfloat16 where there are none, or fast
  /// precision with another separation than softmax, or with Manhattan distances or cosines.
  /// @throws NotSupported patterns or contents stored as float16 or bfloat16 on a CUDA device. Complexity: O(PD + PM).
  static Memory modern_hopfield(const Device& device, MatrixView<const float> patterns,
                                const ModernHopfieldOptions& options = {});

  /// Exponential associative memory, the limit of dense ones of order n (Demircigil et al. 2017): weights exp(βAx), for
  /// patterns of ±1 and sign updates. It stores about 2^(D/2) patterns.
  ///
  /// Exponentials of overlaps leave the range of float from D = 89 on. Weights are therefore divided by their sum,
  /// which changes no sign: readout softmax(βAx)ᵀA. The energy is the logarithm of the usual one, −β⁻¹ log Σ exp(βξ·x)
  /// for −Σ exp(βξ·x), in units of β⁻¹: it falls where that falls, and sign updates never raise it. Beside
  /// `modern_hopfield` with the same β it lacks ½xᵀx.
  ///
  /// @param patterns [P × D] on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memory; queries relax there. @param options see ExponentialOptions.
  /// @throws InvalidArgument, NotSupported as `modern_hopfield`. Complexity: O(PD).
  static Memory exponential(const Device& device, MatrixView<const float> patterns,
                            const ExponentialOptions& options = {});

  /// Adaptive Hopfield network: readout softmax(s)ᵀA with the scores s of an adaptive similarity, energy −lse(s)
  /// (A-Hop, arXiv 2511.20609). Weights come from `fit_similarity`; all ones are the plain squared distance or dot.
  ///
  /// @param patterns [P × D] on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memory; queries relax there. @param options see AdaptiveOptions.
  /// @param similarity copied; its weights include the inverse temperature.
  /// @throws InvalidArgument as `modern_hopfield`; a similarity without a base, with weights that are neither [R] nor
  ///         [P × R], priors that are not [P] or all −∞, values that aren't finite (priors may be −∞) or overflow times
  ///         their β, or groups outside [1, D].
  /// A step costs O(PD log² D) comparisons and O(PD) other operations; extra memory doesn't depend on queries or P. On
  /// the CPU, where entries have few values over all patterns (±1, a few levels of grey), C of all entries together, a
  /// step costs O(PC), to the same bits, and the memory takes C bits more for each pattern.
  static Memory adaptive(const Device& device, MatrixView<const float> patterns, const AdaptiveSimilarity& similarity,
                         const AdaptiveOptions& options = {});

  /// A memory whose rule is given in words, as `rule` returns it: "hebbian", "projection(ridge = 0.1)",
  /// "modern_hopfield(beta = 8, separation = entmax(1.5))". Names are those of the functions above, parameters those of
  /// their options; what isn't named has its default.
  ///
  /// @param patterns [P × D] on the host or, for a CUDA device, on that; finite, copied.
  /// @param device holds the memory; queries relax there. @param rule the words. @param arrays see RuleArrays.
  /// @throws InvalidArgument words that mean nothing, and arrays that the rule has no use for; the message says what
  /// there is. @throws NotSupported an adaptive rule, whose weights are more than words. @throws also as the function
  /// of that name. Complexity: as that.
  static Memory make(const Device& device, std::string_view rule, MatrixView<const float> patterns,
                     const RuleArrays& arrays = {});

  /// Stores more patterns after those already there. A relaxer made before keeps the memory it was made with.
  /// Views of patterns and contents end.
  ///
  /// @param patterns [Q × D], finite, copied. @param contents [Q × M], given exactly if the memory has contents.
  /// @throws as the function that made this memory; NotSupported the memory has weights or priors for each
  ///         pattern, which the new ones lack. Complexity: that of making the memory anew; but, amortised, O(QD + QM)
  ///         in place: on the CPU, for a memory that no copy and no relaxer holds, if it is a modern Hopfield,
  ///         exponential, dense associative or Minerva memory, an adaptive one of full precision, or a factored Hebbian
  ///         one without `centred` and decay. Exceptions are modern Hopfield memories whose patterns are far from 0
  ///         (some column's values at least twice their spread) and, with squared distances, new patterns shorter than
  ///         all others. A factored projection memory that has changed before takes O(QP(D + M) + QP²), and keeps what
  ///         that needs, P² + 2P(D + M) floats beside. A dense Hebbian memory without `centred` and decay, or a
  ///         bidirectional one, takes O(QD² + QDM) where sums can't round: entries and contents are integers, all that
  ///         there have been since it was last made anew, and their largest magnitudes' product times P is below 2²⁴.
  ///         A Storkey memory that has changed before takes O(QD²), and keeps 2D² floats beside. The latter four are
  ///         copied, if others hold them, and change then. The first relaxation by sign updates of a linear memory,
  ///         new or changed, finds what these need of all patterns, O(PD) factored, O(D²) dense; where the processor
  ///         has AMX, the first by any update lays patterns out for it, O(PD). Results are those of a memory made at
  ///         once, bit for bit.
  void imprint(MatrixView<const float> patterns, MatrixView<const float> contents = {});

  /// Removes the patterns with these indices; later ones move up. Views of patterns and contents end.
  ///
  /// @throws InvalidArgument an index outside [0, P) or named twice, or the patterns that remain have no prior that
  ///         isn't 0. @throws NotSupported none would remain, and each pattern has rank weights of its own.
  /// Complexity: that of making the memory anew; but where `imprint` is done in place, and patterns have no weights or
  /// priors of their own, O(QD + QM), plus copying the later patterns, plus up to O(PD) reads where a forgotten one was
  /// the only one with the largest or smallest entry of a column, the longest, or the shortest; of patterns in random
  /// order one rarely is. Of factored Hebbian memories all patterns are read once. Dense ones take O(QD² + QDM).
  /// Projection memories learn those again that come after the first one forgotten; Storkey memories all, for what a
  /// pattern adds depends on those before it.
  void forget(std::span<const Index> indices);
  void forget(std::initializer_list<Index> indices) { forget(std::span(indices.begin(), indices.size())); }

  /// Puts others in the places of some patterns, which keep their indices, identifiers, priors and weights: the memory
  /// is one made of the patterns as they are then. Views of patterns and contents end.
  ///
  /// @param indices [Q], in any order. @param patterns [Q × D], finite, copied. @param contents [Q × M], given exactly
  ///         if the memory has contents.
  /// @throws InvalidArgument an index outside [0, P) or named twice, or other than Q patterns; and as the function that
  ///         made this memory. Complexity: that of making the memory anew, once.
  void replace(std::span<const Index> indices, MatrixView<const float> patterns, MatrixView<const float> contents = {});

  /// What the pattern with this index goes by for as long as the memory has it, whatever others are imprinted or
  /// forgotten: a number that no other pattern of this memory ever has. Those of a new memory are 0 … P − 1, patterns
  /// that are imprinted get the next ones, and copies and files keep them. They ascend with the indices.
  ///
  /// @throws InvalidArgument an index outside [0, P). Complexity: O(1).
  [[nodiscard]] Index identifier_of(Index index) const;

  /// The index of the pattern that goes by this identifier, or −1 if the memory has it no more, or never had.
  /// Complexity: O(log P).
  [[nodiscard]] Index index_of(Index identifier) const;

  /// The same memory on another device; an unmodified copy of this one where that is its device.
  ///
  /// @throws NotSupported as the function that made this memory. @throws DeviceError, OutOfDeviceMemory. Complexity:
  /// that of making the memory anew.
  [[nodiscard]] Memory copy_to(const Device& target) const;

  /// The stored patterns as given, rounded to what they are stored as, [P × D], on the host, valid while this memory or
  /// a copy of it is unmodified and alive. On the CPU the only copy of those of factored linear, pointwise, softmax and
  /// adaptive memories is, but for `centred`, fading and float32 patterns far from 0, in the layout of kernels: the
  /// first call takes O(PD) and as much memory again as they have as float32. So it does where patterns were given on a
  /// CUDA device and stay there. @throws std::bad_alloc, DeviceError
  [[nodiscard]] MatrixView<const float> patterns() const;

  /// The contents as given, rounded as patterns are, [P × M]; empty where the memory is auto-associative. As for
  /// `patterns()`.
  [[nodiscard]] MatrixView<const float> contents() const;

  [[nodiscard]] Index dimension() const;          ///< D
  [[nodiscard]] Index pattern_count() const;      ///< P
  [[nodiscard]] Index content_dimension() const;  ///< M, 0 where the memory is auto-associative
  [[nodiscard]] const Device& device() const;

  /// The similarity of an adaptive memory, with as many rows of weights as patterns where each has its own; nullptr for
  /// other memories. Valid as long as `patterns()`.
  [[nodiscard]] const AdaptiveSimilarity* similarity() const;

  /// The rule and its parameters, as "exponential(beta = 1, storage = float32, content_storage = float32, precision =
  /// full)"; `make` takes it, but for adaptive memories.
  [[nodiscard]] std::string rule() const;

  /// The rule's name alone: that of the function that makes such memories.
  [[nodiscard]] std::string_view kind() const;

  /// Whether readouts are averages under weights that sum to 1. Then `retrieve` works, and calls may say which patterns
  /// take part; else asynchronous sign updates do.
  [[nodiscard]] bool is_normalised() const;

  /// The update that a relaxer has unless another is asked for.
  [[nodiscard]] Update default_update() const;

  /// The form in use, never `automatic`; only linear memories may be `dense`.
  [[nodiscard]] Evaluation evaluation() const;

 private:
  friend struct detail::Access;
  explicit Memory(std::shared_ptr<detail::MemoryState> state);
  std::shared_ptr<detail::MemoryState> state_;  ///< changes only while nobody else has it
};

}  // namespace attractor
