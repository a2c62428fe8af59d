#pragma once

/// Fitting an adaptive similarity: maximum likelihood of the origins of corrupted queries.

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include <attractor/export.h>
#include <attractor/device.hpp>
#include <attractor/matrix.hpp>
#include <attractor/similarity.hpp>
#include <attractor/variants.hpp>

namespace attractor {

/// How the weights are found. The loss is convex, so both head for the same minimum.
enum class Optimiser : unsigned char {
  lbfgs,  ///< limited-memory BFGS with a line search: usually tens of epochs
  /// As published (arXiv 2511.20609), there without L2: full-batch Adam with a fixed rate. Its loss may rise for some
  /// tens of epochs first, so hold no pairs out or have the patience.
  adam,
};

/// How far a fit has come.
struct FitProgress {
  int epoch = 0;               ///< passes over the pairs whose weights were accepted
  int epochs = 0;              ///< at most
  double loss = 0.0;           ///< mean cross-entropy of the fitted pairs, in nats, without the L2 term
  double held_out_loss = 0.0;  ///< that of the held-out pairs; NaN where there are none
};

struct FitOptions {
  bool squared_distance = true;  ///< use this base
  bool dot = true;               ///< use this base; one of both must be
  Index groups = 1;              ///< see AdaptiveSimilarity
  bool per_pattern = false;      ///< weights of each pattern, shrunk towards weights that all share
  bool log_prior = false;        ///< a log-prior of each pattern, shrunk towards 0
  Optimiser optimiser = Optimiser::lbfgs;
  int epochs = 200;   ///< ≥ 1, at most
  float rate = 0.1F;  ///< Adam's learning rate > 0, of weights in units of their terms' spread
  /// λ ≥ 0 of the penalty ½λ‖θ‖², added to the mean loss. θ are the shared weights times the spread of their ranked
  /// terms, the standard deviation over random pairs of a query and a pattern.
  float l2 = 1e-4F;
  /// λ ≥ 0 of the same penalty on what a pattern adds to the shared weights, and on its prior, in the mean over the
  /// patterns.
  float pattern_l2 = 1.0F;
  /// Share of the pairs in [0, 1) that are held out: the fit ends once their loss hasn't improved for `patience` epochs
  /// and returns the weights that were best on them. 0: none, all epochs are run unless the loss can't be lowered any
  /// further, and the weights of the lowest loss are returned.
  float held_out = 0.1F;
  int patience = 10;       ///< ≥ 1
  std::uint64_t seed = 1;  ///< chooses the held-out pairs, and those that the spread is measured on
  int threads = 0;         ///< of the CPU, at most 1024; 0: see RelaxerOptions
  /// Called after each epoch; what it throws ends the fit and is rethrown.
  std::function<void(const FitProgress&)> progress = {};
  std::stop_token stop = {};  ///< ends the fit after the epoch under way, with the best weights so far
};

struct Fit {
  AdaptiveSimilarity similarity;     ///< β 1: it is part of the weights
  std::vector<FitProgress> history;  ///< one entry for each epoch
  bool converged = false;            ///< ended by its own rules, not by `epochs` or `stop`
};

/// The loss that a similarity is fitted by: the sum over queries of −log softmax(s)_origin, in nats. Computed on the
/// device, in batches of queries if that is a CUDA device.
///
/// @param patterns [P × D], @param queries [B × D], @param origins [B] rows of `patterns`; finite, each on the host or,
/// of a CUDA device, on that, from where origins alone are copied to the host. What is on a device may still be on its
/// way there on the default stream, not on others.
/// @param device computes it. @param similarity whose loss it is. @param threads of the CPU; 0: see RelaxerOptions
/// @param gradient where not null, becomes the derivatives of the loss by the similarity's weights and priors. With
///        weights that all patterns share every term counts; residuals below 1e-10 are left out.
/// @throws InvalidArgument null data, sizes below 1 (B = 0 gives 0), columns or counts that differ, an origin outside
///         [0, P), a value that isn't finite or whose square overflows, a similarity that doesn't fit the patterns, an
///         origin whose log-prior is −∞, data on another device.
/// @throws NotSupported a CUDA device, and more than 4096 ranks; data on a device while a stream that waits for the
///         default stream is being captured.
/// @throws std::bad_alloc, DeviceError, OutOfDeviceMemory
/// Reproducible: the same arguments give the same bits on the same device, whatever the number of threads; devices
/// agree to rounding. Complexity: sorts B·P pairs once, with a gradient twice, for each base; memory of O(P) for each
/// thread and of at most 32 gradients. On a CUDA device of O(PD), two gradients, and at most 150 MB for batches of
/// queries, however many there are, as long as P is below some ten million.
ATTRACTOR_EXPORT double cross_entropy(const Device& device, MatrixView<const float> patterns,
                                      const AdaptiveSimilarity& similarity, MatrixView<const float> queries,
                                      std::span<const Index> origins, SimilarityGradient* gradient = nullptr,
                                      int threads = 0);

/// Fits rank weights, and optionally priors, to pairs of a query and the pattern it comes from: minimises the mean
/// −log softmax(s)_origin over them, multinomial logistic regression on ranked terms (arXiv 2511.20609, §4). Starts
/// from weights of 0. The losses and their gradients, nearly all of the work, are computed on the device; the minimiser
/// runs on the host.
///
/// @param patterns [P × D], @param queries [B × D], @param origins [B] rows of `patterns`; finite, each on the host or,
/// of a CUDA device, on that, as of `cross_entropy`: of patterns and queries there, a thousand of each at most are
/// copied to the host.
/// @param device computes losses and gradients. @param options see FitOptions.
/// @throws InvalidArgument null data, sizes below 1, columns or counts that differ, an origin outside [0, P), a value
///         that isn't finite or whose square overflows, an option out of range, data on another device.
/// @throws NotSupported as `cross_entropy`.
/// @throws std::bad_alloc, DeviceError, OutOfDeviceMemory
/// Reproducible: the same arguments give the same bits on the same device, whatever the number of threads. Losses of
/// different devices agree to rounding, so their fits reach the same minimum, though not by the same steps.
/// Complexity: an epoch sorts B·P pairs once or twice for each base. Extra memory: O(BD + PD), and some 25 doubles for
/// each fitted weight; on the CPU O(PD) more for each thread, on a CUDA device what `cross_entropy` takes there.
/// Queries go to a CUDA device once, and stay there for as long as the fit lasts; those that would take more than a
/// quarter of its memory go there anew in each epoch, in batches.
ATTRACTOR_EXPORT Fit fit_similarity(const Device& device, MatrixView<const float> patterns,
                                    MatrixView<const float> queries, std::span<const Index> origins,
                                    const FitOptions& options = {});

/// The same on `count` ≥ 1 variants made for the purpose, on the host: patterns on a device are copied there once.
///
/// @throws InvalidArgument also as `make_variants`.
ATTRACTOR_EXPORT Fit fit_similarity(const Device& device, MatrixView<const float> patterns,
                                    const VariantOptions& variants, Index count, const FitOptions& options = {});

}  // namespace attractor
