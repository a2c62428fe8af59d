/// Calls of any shape, options, formats and values. What isn't refused has a result for each query, the same alone as
/// in its batch, in another format as in floats, and of a memory that has changed as of one made at once.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <variant>

#include "kernels/query_view.hpp"
#include "tests/fuzz/any.hpp"

namespace attractor::fuzz {
namespace {

/// Ends the process, as a finding.
void expect(bool holds) {
  if (!holds) std::abort();
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

std::span<const float> row(const Matrix<float>& values, Index i) {
  return values.empty() ? std::span<const float>()
                        : std::span(values.row(i), static_cast<std::size_t>(values.columns()));
}

/// Of the only query of a batch and of one of another.
void expect_same(const Relaxation& alone, const Relaxation& batch, Index i) {
  const auto at = static_cast<std::size_t>(i);
  expect(alone.steps[0] == batch.steps[at] && alone.status[0] == batch.status[at]);
  expect(same_bits(row(alone.states, 0), row(batch.states, i)));
  expect(same_bits(row(alone.contents, 0), row(batch.contents, i)));
  expect(same_bits(row(alone.energy_trace, 0), row(batch.energy_trace, i)));
  expect(batch.energies.empty() || same_bits(alone.energies, std::span(batch.energies).subspan(at, 1)));
}

Matrix<float> floats(const QueryView& rows) {
  Matrix<float> result(rows.rows(), rows.columns());
  for (Index i = 0; i < rows.rows(); ++i)
    std::visit(
        [&](auto row) {
          for (Index j = 0; j < rows.columns(); ++j) result(i, j) = static_cast<float>(row[j]);
        },
        detail::row_of(rows, i));
  return result;
}

void change_any(FuzzedDataProvider& data, Memory& memory) {
  const Index count = memory.pattern_count();
  if (data.ConsumeBool()) memory.forget({data.ConsumeIntegralInRange<Index>(-1, count)});
  if (data.ConsumeBool()) {
    const auto more = data.ConsumeIntegralInRange<Index>(0, 5);
    const Matrix<float> patterns = any_matrix(data, more, memory.dimension(), data.ConsumeBool());
    const Matrix<float> contents = any_matrix(data, more, memory.content_dimension(), false);
    memory.imprint(patterns, memory.content_dimension() > 0 ? contents.view() : MatrixView<const float>());
  }
}

/// What is in the memory, made at once.
Memory made_at_once(const Memory& memory, const RuleArrays& arrays) {
  const auto contents = memory.content_dimension() > 0 ? memory.contents() : MatrixView<const float>();
  if (memory.similarity() != nullptr)
    return Memory::adaptive(Device::cpu(), memory.patterns(), *memory.similarity(), {.contents = contents});
  // Priors have changed with their patterns, and a memory doesn't say what they are.
  if (!arrays.log_prior.empty()) return memory;
  return Memory::make(Device::cpu(), memory.rule(), memory.patterns(),
                      {.thresholds = arrays.thresholds, .contents = contents});
}

void relax_any(FuzzedDataProvider& data, const Memory& memory, const Memory& again, const QueryView& queries) {
  const RelaxerOptions options = any_options(data);
  const Relaxer relaxer(memory, options);
  const AnyCall call(data, queries.rows(), memory.dimension(), memory.pattern_count());
  const Relaxation batch = relaxer.relax(queries, call.view(0, queries.rows()));
  expect(static_cast<Index>(batch.steps.size()) == queries.rows());
  if (queries.rows() == 0) return;
  const auto one = data.ConsumeIntegralInRange<Index>(0, queries.rows() - 1);
  const QueryView alone = queries.slice(one, 1);
  expect_same(relaxer.relax(alone, call.view(one, 1)), batch, one);
  expect_same(Relaxer(again, options).relax(floats(alone), call.view(one, 1)), batch, one);
}

void retrieve_any(FuzzedDataProvider& data, const Memory& memory, const QueryView& queries) {
  const AnyCall parts(data, queries.rows(), memory.dimension(), memory.pattern_count());
  const auto options = [&, count = data.ConsumeIntegralInRange<Index>(0, 4), posteriors = data.ConsumeBool(),
                        threads = data.ConsumeIntegralInRange(0, 3)](Index first, Index rows) {
    const RelaxCall call = parts.view(first, rows);
    RetrievalOptions result{.count = count,
                            .valid_patterns = call.valid_patterns,
                            .log_prior = call.log_prior,
                            .posteriors = posteriors,
                            .threads = threads};
    if (!call.betas.empty()) result.beta = call.betas.front();
    return result;
  };
  const Retrieval batch = retrieve(memory, queries, options(0, queries.rows()));
  if (queries.rows() == 0) return;
  const auto one = data.ConsumeIntegralInRange<Index>(0, queries.rows() - 1);
  const Retrieval alone = retrieve(memory, floats(queries.slice(one, 1)), options(one, 1));
  const std::size_t count = alone.pattern.size();
  const std::size_t first = static_cast<std::size_t>(one) * count;
  expect(std::equal(alone.pattern.begin(), alone.pattern.end(), batch.pattern.begin() + static_cast<Index>(first)));
  if (!alone.posterior.empty()) expect(same_bits(alone.posterior, std::span(batch.posterior).subspan(first, count)));
}

void recall_any(FuzzedDataProvider& data, const Memory& memory, const QueryView& queries) {
  const int threads = data.ConsumeIntegralInRange(0, 3);
  const Recall batch = recall(memory, queries, {.threads = threads});
  if (queries.rows() == 0) return;
  const auto one = data.ConsumeIntegralInRange<Index>(0, queries.rows() - 1);
  const Recall alone = recall(memory, floats(queries.slice(one, 1)));
  expect(same_bits(row(alone.contents, 0), row(batch.contents, one)));
}

void name_any(FuzzedDataProvider& data, const Memory& memory, const QueryView& queries) {
  const auto count = data.ConsumeIntegralInRange<Index>(0, 4);
  const Nearest found = nearest(memory, queries, {.count = count, .threads = data.ConsumeIntegralInRange(0, 3)});
  for (const Index pattern : found.pattern) expect(pattern >= -1 && pattern < memory.pattern_count());
}

void call_any(FuzzedDataProvider& data) {
  const auto dimension = data.ConsumeIntegralInRange<Index>(0, 40);
  const auto pattern_count = data.ConsumeIntegralInRange<Index>(0, 12);
  const Matrix<float> patterns = any_matrix(data, pattern_count, dimension, data.ConsumeBool());
  const Index width = data.ConsumeIntegralInRange(0, 3) == 0 ? data.ConsumeIntegralInRange<Index>(1, 20) : 0;
  const Matrix<float> contents = any_matrix(data, pattern_count, width, false);
  const RuleArrays arrays = any_arrays(data, patterns, width > 0 ? contents.view() : MatrixView<const float>());
  Memory memory = any_memory(data, patterns, arrays);
  change_any(data, memory);
  const auto query_count = data.ConsumeIntegralInRange<Index>(0, 70);
  const Index columns = data.ConsumeIntegralInRange(0, 20) == 0 ? dimension + 1 : dimension;
  const AnyRows queries(data, query_count, columns, data.ConsumeIntegralInRange<Index>(0, 3));
  switch (data.ConsumeIntegralInRange(0, 5)) {
    case 0: return retrieve_any(data, memory, queries.view());
    case 1: return recall_any(data, memory, queries.view());
    case 2: return name_any(data, memory, queries.view());
    default: return relax_any(data, memory, made_at_once(memory, arrays), queries.view());
  }
}

}  // namespace
}  // namespace attractor::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider data(bytes, size);
  try {
    attractor::fuzz::call_any(data);
  } catch (const attractor::Error&) {
    return 0;
  }
  return 0;
}
