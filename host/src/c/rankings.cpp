#include <algorithm>
#include <string>
#include <vector>

#include <attractor/nearest.hpp>
#include <attractor/retrieval.hpp>

#include "host/src/c/guard.hpp"
#include "host/src/c/tensors.hpp"

namespace attractor::c {
namespace {

/// Where patterns and what belongs to them go.
class Ranks {
 public:
  Ranks(const attractor_tensor* patterns, const attractor_tensor* values, const char* values_name, Index rows)
      : patterns_(index_matrix(there(patterns, "patterns"), "patterns")),
        values_(optional_float_matrix(values, values_name)) {
    const auto check = [&](Index own_rows, Index own_columns, const char* name) {
      if (own_rows == rows && own_columns == patterns_.columns) return;
      throw InvalidArgument(std::string(name) + " is [" + std::to_string(own_rows) + " × " +
                            std::to_string(own_columns) + "]; it must be [" + std::to_string(rows) + " × " +
                            std::to_string(patterns_.columns) + "]");
    };
    check(patterns_.rows, patterns_.columns, "patterns");
    if (values != nullptr) check(values_.rows, values_.columns, values_name);
    if (rows > 0 && (patterns_.data == nullptr || (values != nullptr && values_.data == nullptr)))
      throw InvalidArgument("a result has no data");
  }

  [[nodiscard]] Index count() const { return patterns_.columns; }

  void write(const std::vector<Index>& patterns, const std::vector<float>& values) const {
    write(patterns, patterns_);
    if (values_.data != nullptr) write(values, values_);
  }

 private:
  template <class T>
  static void write(const std::vector<T>& from, MatrixView<T> to) {
    for (Index i = 0; i < to.rows; ++i) std::copy_n(from.begin() + i * to.columns, to.columns, to.row(i));
  }

  MatrixView<std::int64_t> patterns_;
  MatrixView<float> values_;
};

}  // namespace
}  // namespace attractor::c

extern "C" {

using namespace attractor::c;  // NOLINT(google-build-using-namespace): what follows is C, which has none

attractor_result attractor_retrieve(const attractor_memory* memory, const attractor_tensor* queries,
                                    const attractor_tensor* patterns, const attractor_tensor* posteriors, float beta,
                                    int32_t threads) {
  return guarded([&] {
    const attractor::Memory& used = there(memory, "memory").value;
    const attractor::QueryView rows = attractor::c::queries(there(queries, "queries"), used.dimension(), "queries");
    const attractor::RetrievalView results{
        .pattern = index_matrix(there(patterns, "patterns"), "patterns"),
        .posterior = optional_float_matrix(posteriors, "posteriors"),
    };
    attractor::RetrievalOptions options = {.threads = threads};
    if (beta != 0.0F) options.beta = beta;
    attractor::retrieve(used, rows, results, options);
  });
}

attractor_result attractor_nearest(const attractor_memory* memory, const attractor_tensor* states,
                                   const attractor_tensor* patterns, const attractor_tensor* overlaps,
                                   int32_t threads) {
  return guarded([&] {
    const attractor::Memory& used = there(memory, "memory").value;
    const attractor::QueryView rows = attractor::c::queries(there(states, "states"), used.dimension(), "states");
    const Ranks ranks(patterns, overlaps, "overlaps", rows.rows());
    const attractor::Nearest found = attractor::nearest(used, rows, {.count = ranks.count(), .threads = threads});
    ranks.write(found.pattern, found.overlap);
  });
}

}  // extern "C"
