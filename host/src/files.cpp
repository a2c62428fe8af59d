#include <attractor/files.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <attractor/error.hpp>

#include "core/stored_elements.hpp"
#include "host/src/access.hpp"
#include "host/src/rule_metadata.hpp"
#include "host/src/rule_text.hpp"
#include "host/src/safetensors.hpp"

namespace attractor {
namespace detail {
namespace {

constexpr const char* patterns_name = "patterns";
constexpr const char* contents_name = "contents";
constexpr const char* squared_distance_name = "similarity.squared_distance";
constexpr const char* dot_name = "similarity.dot";
constexpr const char* thresholds_name = "thresholds";
constexpr const char* identifiers_name = "identifiers";
constexpr const char* next_identifier_name = "next_identifier";

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
    TensorView result{name, {values_.rows(), values_.columns()}, values_.data(), type_of(storage_)};
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

/// What patterns go by, unless that is their indices.
std::vector<Index> listed(const Identifiers& identifiers, Index count) {
  std::vector<Index> result;
  if (identifiers.are_indices()) return result;
  for (Index i = 0; i < count; ++i) result.push_back(identifiers[i]);
  return result;
}

std::vector<TensorView> tensors(const Memory& memory, const RowTensor& patterns, const RowTensor& contents,
                                const std::vector<Index>& identifiers) {
  std::vector<TensorView> result = {patterns.view(patterns_name)};
  if (!Access::state(memory).identifiers.are_indices())
    result.push_back({identifiers_name, {memory.pattern_count()}, identifiers.data(), TensorType::i64});
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

/// Nothing where patterns go by their indices.
std::optional<Identifiers> read_identifiers(SafetensorsReader& file, Index pattern_count) {
  if (!file.contains(identifiers_name)) return std::nullopt;
  std::vector<Index> listed = file.read_integers(identifiers_name);
  if (static_cast<Index>(listed.size()) != pattern_count)
    throw InvalidArgument("it has " + std::to_string(listed.size()) + " identifiers for " +
                          std::to_string(pattern_count) + " patterns");
  const auto found = file.metadata().find(next_identifier_name);
  Index next = 0;
  if (found == file.metadata().end() || !parse_into(found->second, next))
    throw InvalidArgument(std::string("its metadata has no number as ") + next_identifier_name);
  const bool ascend = std::adjacent_find(listed.begin(), listed.end(), std::greater_equal<>()) == listed.end();
  if (!ascend || (!listed.empty() && (listed.front() < 0 || listed.back() >= next)) || next < pattern_count)
    throw InvalidArgument("its identifiers don't ascend from 0 on to below " + std::to_string(next));
  return Identifiers(std::move(listed), next);
}

/// Of a name that may be empty.
Tensor read_if_named(SafetensorsReader& file, const std::string& name) {
  return name.empty() ? Tensor() : file.read(name);
}

MatrixView<const float> contents_of(const Tensor& tensor, const std::string& name) {
  return tensor.shape.empty() ? MatrixView<const float>() : as_matrix(tensor, name);
}

Memory read_memory(const Device& device, SafetensorsReader& file) {
  Rule rule = parse_rule(file.metadata());
  file.check_contents();
  read_arrays(file, rule);
  const Tensor patterns = file.read(patterns_name);
  const Tensor contents = read_if_named(file, file.contains(contents_name) ? contents_name : "");
  const MatrixView<const float> rows = as_matrix(patterns, patterns_name);
  return Access::make(device, rule, rows, contents_of(contents, contents_name), read_identifiers(file, rows.rows));
}

Memory read_memory(const Device& device, SafetensorsReader& file, Rule rule, const TensorNames& names) {
  set_arrays(rule, {.thresholds = read_if_named(file, names.thresholds).values,
                    .log_prior = read_if_named(file, names.log_prior).values});
  const Tensor patterns = file.read(names.patterns);
  const Tensor contents = read_if_named(file, names.contents);
  return Access::make(device, rule, as_matrix(patterns, names.patterns), contents_of(contents, names.contents));
}

/// Opens the file and reads a memory from it, by `read`.
template <class Read>
Memory load_with(const std::filesystem::path& path, const Read& read) {
  SafetensorsReader file(path);
  try {
    return read(file);
  } catch (const InvalidArgument& error) {
    throw FileError(path.string() + " holds no memory: " + error.what());
  }
}

}  // namespace
}  // namespace detail

void save(const Memory& memory, const std::filesystem::path& path) {
  const detail::MemoryState& state = detail::Access::state(memory);
  const detail::RowTensor patterns(state.patterns, detail::storage_of(state.rule));
  const detail::RowTensor contents(state.contents, detail::content_storage_of(state.rule));
  const std::vector<Index> identifiers = detail::listed(state.identifiers, memory.pattern_count());
  detail::Metadata metadata = detail::to_metadata(state.rule);
  if (!state.identifiers.are_indices())
    metadata[detail::next_identifier_name] = std::to_string(state.identifiers.next());
  detail::write_safetensors(path, std::move(metadata), detail::tensors(memory, patterns, contents, identifiers));
}

Memory load(const Device& device, const std::filesystem::path& path) {
  return detail::load_with(path, [&](detail::SafetensorsReader& file) { return detail::read_memory(device, file); });
}

Memory load(const Device& device, const std::filesystem::path& path, std::string_view rule,
            const TensorNames& tensors) {
  const detail::Rule words = detail::read_rule(rule);
  return detail::load_with(
      path, [&](detail::SafetensorsReader& file) { return detail::read_memory(device, file, words, tensors); });
}

}  // namespace attractor
