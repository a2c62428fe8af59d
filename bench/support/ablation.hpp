#pragma once

/// Footprints taken apart: what the sort and the running sums of an adaptive similarity each contribute, fitted in the
/// published way (arXiv 2511.20609).

#include <functional>

#include <attractor/attractor.hpp>

namespace attractor::bench {

/// What becomes of the terms of a pair before they are weighted.
struct FeatureKind {
  bool sorted = true;
  bool cumulative = true;
};

struct AblationOptions {
  int epochs = 200;
  float rate = 0.1F;
  int threads = 0;
  std::function<void(int epoch, double loss)> progress = {};
};

/// Fits weights to features of both bases by full-batch Adam on the cross-entropy of `fitted`; returns the share of the
/// origins of `asked` that they name. Holds all features of the fitted pairs: 8·B·P·D bytes.
double ablation_accuracy(const Device& device, MatrixView<const float> patterns, FeatureKind kind,
                         const Variants& fitted, const Variants& asked, const AblationOptions& options);

}  // namespace attractor::bench
