#pragma once

/// Arguments and options that relaxers and heads have in common.

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <attractor/relaxer.hpp>

#include "host/python/src/arrays.hpp"
#include "host/python/src/call.hpp"
#include "host/python/src/dynamics.hpp"

namespace attractor::python {

/// One call's queries and options, read; keeps what the views of `call` show.
class RelaxArguments {
 public:
  /// For memories on that device.
  RelaxArguments(const Device& device, const Array& queries, const std::optional<Array>& clamped,
                 const std::optional<Array>& valid_patterns, const std::optional<Array>& log_prior,
                 const std::optional<nb::object>& betas, nb::handle progress, const std::stop_source* stop);

  /// Relaxes the queries, the results of `relax(queries, call)`. Calls that are over in a few milliseconds, on adaptive
  /// memories in a tenth of a second, don't look for signals: that takes another thread, which costs 20 µs.
  template <class Relax>
  auto run(const Relax& relax, double entries_of_a_step, int max_steps) {
    constexpr double few_entries = 1e7;
    const auto work = [&] { return relax(queries_.view(), call_); };
    const double entries = entries_of_a_step * static_cast<double>(queries_.view().rows()) * max_steps;
    if (entries <= few_entries) return unlocked(work);
    return interruptible(work, cancellation_.source());
  }

  [[nodiscard]] Library library() const { return library_; }
  [[nodiscard]] const QueryMatrix& queries() const { return queries_; }

 private:
  Library library_;
  QueryMatrix queries_;
  MarkMatrix clamped_;
  MarkMatrix valid_patterns_;
  FloatMatrix log_prior_;
  std::vector<float> betas_;
  ProgressReport progress_;
  Cancellation cancellation_;
  RelaxCall call_;
};

/// Entries of patterns, or of weights, that a step of one query reads.
double entries_of_a_step(const Memory& memory);

RelaxerOptions read_options(const AnyUpdate* update, const Halting* halting, int max_steps, bool energies,
                            bool energy_trace, int threads, bool tf32);

}  // namespace attractor::python
