#pragma once

/// What a kind of device does with a memory: holds it in the layout that its kernels read, and relaxes queries on it.

#include <memory>
#include <span>

#include <attractor/relaxation.hpp>

#include "host/src/form.hpp"
#include "kernels/cpu/engine/packed_matrix.hpp"
#include "kernels/pattern_terms.hpp"
#include "kernels/query_view.hpp"
#include "kernels/schedule.hpp"

namespace attractor::detail {

/// Any number of threads may use one, as long as none changes it.
class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  /// Patterns and contents of its form, where the engine keeps them: then they need not be kept beside it. Else null.
  [[nodiscard]] virtual const cpu::PackedMatrix* patterns() const { return nullptr; }
  [[nodiscard]] virtual const cpu::PackedMatrix* contents() const { return nullptr; }

  /// Writes the patterns, or the contents, of its form to the host, where its device keeps them as they are.
  ///
  /// @throws DeviceError
  virtual void fetch_patterns(MatrixView<float> /*to*/) const {}
  virtual void fetch_contents(MatrixView<float> /*to*/) const {}

  /// One of one's own that is the same, where the engine can change; else null. Others may relax on this one meanwhile.
  [[nodiscard]] virtual std::unique_ptr<Engine> copy() const { return nullptr; }

  /// Stores more patterns behind those there are, in time for these alone: the form holds what the rule makes of them,
  /// and what it says of all is said of the old ones too. Nobody else uses the engine. It must keep its patterns, or
  /// have dense weights that are sums over them; false, with nothing changed, where these might round.
  ///
  /// @throws std::bad_alloc, with nothing changed
  virtual bool append(const Form& /*form*/) { return false; }

  /// Takes the patterns of a form out of dense weights, as `append` adds them.
  virtual bool subtract(const Form& /*form*/) { return false; }

  /// Takes patterns out, which ascend, but not all; later ones move up. Nobody else uses the engine. It must keep its
  /// patterns, and what it says of all must have been told it of those left, by a form without patterns.
  virtual void remove(std::span<const Index> /*patterns*/) noexcept {}

  /// `terms` is what the call says of patterns. Arguments are valid and there is at least one query; queries and states
  /// are floats but on the CPU. Results are complete, contents too, when it returns.
  virtual void relax(const RelaxerOptions& options, const QueryView& queries, const RelaxationView& results,
                     const RelaxCall& call, const PatternTerms& terms) const = 0;

  /// contents_i = Cᵀp of each query, C being the patterns of memories without contents, and intensity_i = Σp unless
  /// that is empty: it is for memories whose weights aren't normalised. The memory weighs patterns, arguments are valid
  /// and there is at least one query.
  virtual void recall(const QueryView& queries, const PatternTerms& terms, const ResultView& contents,
                      std::span<float> intensity, int threads) const = 0;

  /// The patterns with the largest scores of each query, as many as there are columns, and their weights unless
  /// `posteriors` has no data; −1 and NaN where a query isn't finite or has no more of them; at the schedule's first
  /// temperature, where there is one. The memory's weights are normalised, arguments are valid and there is at least
  /// one query.
  virtual void retrieve(const QueryView& queries, const PatternTerms& terms, const Schedule& schedule,
                        MatrixView<Index> patterns, MatrixView<float> posteriors, int threads) const = 0;
};

std::unique_ptr<Engine> make_cpu_engine(const Form& form);

/// Of a memory without patterns on any device, which reads so many columns out. It works on the host.
std::unique_ptr<Engine> make_empty_engine(Index columns);

/// Patterns and contents of the form may be on the device; thresholds and what else it has is on the host.
///
/// @throws DeviceError
std::unique_ptr<Engine> make_cuda_engine(const Form& form, int device);

}  // namespace attractor::detail
