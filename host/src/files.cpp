#include <attractor/files.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
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

/// Patterns or contents of a memory, which are rounded, as they are stored.
class RowTensor {
 public:
  RowTensor(const StoredRows& rows, PatternStorage storage) : storage_(storage), values_(rows.copy()) {
    if (storage == PatternStorage::float32) return;
    halves_.reserve(static_cast<std::size_t>(values_.size()));
    std::transform(values_.data(), values_.data() + values_.size(), std::back_inserter(halves_),
                   [&](float value) { return encode(storage, value); });
  }

  [[nodiscard]] TensorView view(const std::string& name) const {
    TensorView result{name, {values_.rows(), values_.columns()}, values_.data(), storage_};
    if (storage_ != PatternStorage::float32) result.data = halves_.data();
    return result;
  }

 private:
  PatternStorage storage_;
  Matrix<float> values_;
  std::vector<std::uint16_t> halves_;  ///< unless they are stored as float32
};

/// Weights that all patterns share are a vector, those of each a matrix.
TensorView tensor(const std::string& name, const std::vector<float>& weights, Index ranks) {
  const auto count = static_cast<Index>(weights.size());
  if (count == ranks) return {name, {ranks}, weights.data()};
  return {name, {count / ranks, ranks}, weights.data()};
}

std::vector<TensorView> tensors(const Memory& memory, const RowTensor& patterns, const RowTensor& contents) {
  std::vector<TensorView> result = {patterns.view(patterns_name)};
  if (memory.content_dimension() > 0) result.push_back(contents.view(contents_name));
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
  const detail::RowTensor patterns(state.patterns, detail::storage_of(state.rule));
  const detail::RowTensor contents(state.contents, detail::content_storage_of(state.rule));
  detail::write_safetensors(path, detail::to_metadata(state.rule), detail::tensors(memory, patterns, contents));
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
