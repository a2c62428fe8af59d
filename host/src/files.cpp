#include <attractor/files.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <attractor/error.hpp>

#include "core/stored_elements.hpp"
#include "host/src/access.hpp"
#include "host/src/rule_metadata.hpp"
#include "host/src/safetensors.hpp"

namespace attractor {
namespace detail {
namespace {

constexpr const char* patterns_name = "patterns";
constexpr const char* contents_name = "contents";
constexpr const char* squared_distance_name = "similarity.squared_distance";
constexpr const char* dot_name = "similarity.dot";
constexpr const char* thresholds_name = "thresholds";

/// An adaptive similarity is one tensor among others of its name.
const char* log_prior_name(const Rule& rule) {
  return std::holds_alternative<AdaptiveSimilarity>(rule) ? "similarity.log_prior" : "log_prior";
}

TensorView tensor(const std::string& name, MatrixView<const float> matrix) {
  return {name, {matrix.rows, matrix.columns}, matrix.data};
}

/// Patterns, which are rounded, as they are stored; nothing of floats of 32 bits.
std::vector<std::uint16_t> encoded(const Matrix<float>& patterns, PatternStorage storage) {
  std::vector<std::uint16_t> result;
  if (storage == PatternStorage::float32) return result;
  std::transform(patterns.data(), patterns.data() + patterns.size(), std::back_inserter(result),
                 [&](float value) { return encode(storage, value); });
  return result;
}

/// Weights that all patterns share are a vector, those of each a matrix.
TensorView tensor(const std::string& name, const std::vector<float>& weights, Index ranks) {
  const auto count = static_cast<Index>(weights.size());
  if (count == ranks) return {name, {ranks}, weights.data()};
  return {name, {count / ranks, ranks}, weights.data()};
}

std::vector<TensorView> tensors(const Memory& memory, TensorView patterns, MatrixView<const float> contents) {
  std::vector<TensorView> result = {std::move(patterns)};
  if (contents.columns > 0) result.push_back(tensor(contents_name, contents));
  const Rule& rule = Access::state(memory).rule;
  if (const std::vector<float>* const log_prior = log_prior_of(rule); log_prior != nullptr && !log_prior->empty())
    result.push_back({log_prior_name(rule), {memory.pattern_count()}, log_prior->data()});
  if (const std::vector<float>* const thresholds = thresholds_of(rule); thresholds != nullptr && !thresholds->empty())
    result.push_back({thresholds_name, {memory.dimension()}, thresholds->data()});
  const AdaptiveSimilarity* const similarity = memory.similarity();
  if (similarity == nullptr) return result;
  const Index ranks = rank_count(memory.dimension(), similarity->groups);
  if (!similarity->squared_distance.empty())
    result.push_back(tensor(squared_distance_name, similarity->squared_distance, ranks));
  if (!similarity->dot.empty()) result.push_back(tensor(dot_name, similarity->dot, ranks));
  return result;
}

MatrixView<const float> as_matrix(const Tensor& tensor, const std::string& name) {
  if (tensor.shape.size() != 2)
    throw InvalidArgument("its tensor " + name + " has " + std::to_string(tensor.shape.size()) + " dimensions, not 2");
  return {tensor.values.data(), tensor.shape[0], tensor.shape[1]};
}

std::vector<float> read_values(SafetensorsReader& file, const std::string& name) {
  return file.contains(name) ? file.read(name).values : std::vector<float>();
}

/// Fills in what a rule has in tensors.
void read_arrays(SafetensorsReader& file, Rule& rule) {
  const std::string prior = log_prior_name(rule);
  std::visit(
      [&](auto& kind) {
        if constexpr (requires { kind.log_prior; }) kind.log_prior = read_values(file, prior);
        if constexpr (requires { kind.thresholds; }) kind.thresholds = read_values(file, thresholds_name);
      },
      rule);
  auto* const similarity = std::get_if<AdaptiveSimilarity>(&rule);
  if (similarity == nullptr) return;
  similarity->squared_distance = read_values(file, squared_distance_name);
  similarity->dot = read_values(file, dot_name);
}

Memory read_memory(const Device& device, SafetensorsReader& file) {
  Rule rule = parse_rule(file.metadata());
  read_arrays(file, rule);
  const Tensor patterns = file.read(patterns_name);
  const Tensor contents = file.contains(contents_name) ? file.read(contents_name) : Tensor{};
  return Access::make(device, rule, as_matrix(patterns, patterns_name),
                      contents.shape.empty() ? MatrixView<const float>() : as_matrix(contents, contents_name));
}

}  // namespace
}  // namespace detail

void save(const Memory& memory, const std::filesystem::path& path) {
  const detail::MemoryState& state = detail::Access::state(memory);
  const Matrix<float> patterns = state.patterns.copy();
  const Matrix<float> contents = state.contents.copy();
  detail::TensorView stored = detail::tensor(detail::patterns_name, patterns);
  stored.elements = detail::storage_of(state.rule);
  const std::vector<std::uint16_t> halves = detail::encoded(patterns, stored.elements);
  if (!halves.empty()) stored.data = halves.data();
  detail::write_safetensors(path, detail::to_metadata(state.rule),
                            detail::tensors(memory, std::move(stored), contents));
}

Memory load(const Device& device, const std::filesystem::path& path) {
  detail::SafetensorsReader file(path);
  try {
    return detail::read_memory(device, file);
  } catch (const InvalidArgument& error) {
    throw FileError(path.string() + " holds no memory: " + error.what());
  }
}

}  // namespace attractor
