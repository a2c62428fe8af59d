#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <attractor/files.hpp>

#include "host/src/c/guard.hpp"
#include "host/src/c/tensors.hpp"

namespace attractor::c {
namespace {

std::vector<float> optional_vector(const attractor_tensor* tensor, const char* name) {
  if (tensor == nullptr) return {};
  const std::span<float> values = float_vector(*tensor, name);
  return {values.begin(), values.end()};
}

RuleArrays arrays_of(const attractor_rule_arrays* given) {
  if (given == nullptr) return {};
  const attractor_rule_arrays arrays = known_members(*given, "arrays");
  return {.thresholds = optional_vector(arrays.thresholds, "thresholds"),
          .log_prior = optional_vector(arrays.log_prior, "log_prior"),
          .contents = optional_float_matrix(arrays.contents, "contents")};
}

/// Makes one with make(), to be freed; null where that fails.
template <class Make>
attractor_result make(attractor_memory** memory, const Make& make) {
  return guarded([&] {
    there(memory, "memory") = nullptr;
    *memory = std::make_unique<attractor_memory>(attractor_memory{make()}).release();
  });
}

}  // namespace
}  // namespace attractor::c

extern "C" {

using namespace attractor::c;  // NOLINT(google-build-using-namespace): what follows is C, which has none

attractor_result attractor_memory_make(const char* device, const char* rule, const attractor_tensor* patterns,
                                       const attractor_rule_arrays* arrays, attractor_memory** memory) {
  return make(memory, [&] {
    return attractor::Memory::make(device_named(device), &there(rule, "rule"),
                                   float_matrix(there(patterns, "patterns"), "patterns"), arrays_of(arrays));
  });
}

attractor_result attractor_memory_load(const char* device, const char* path, attractor_memory** memory) {
  return make(memory, [&] { return attractor::load(device_named(device), &there(path, "path")); });
}

attractor_result attractor_memory_save(const attractor_memory* memory, const char* path) {
  return guarded([&] { attractor::save(there(memory, "memory").value, &there(path, "path")); });
}

attractor_result attractor_memory_copy(const attractor_memory* memory, attractor_memory** copy) {
  return make(copy, [&] { return there(memory, "memory").value; });
}

void attractor_memory_free(attractor_memory* memory) { const std::unique_ptr<attractor_memory> own(memory); }

attractor_result attractor_memory_imprint(attractor_memory* memory, const attractor_tensor* patterns,
                                          const attractor_tensor* contents) {
  return guarded([&] {
    there(memory, "memory")
        .value.imprint(float_matrix(there(patterns, "patterns"), "patterns"),
                       optional_float_matrix(contents, "contents"));
  });
}

attractor_result attractor_memory_forget(attractor_memory* memory, const int64_t* patterns, size_t count) {
  return guarded([&] {
    if (count > 0) there(patterns, "patterns");
    there(memory, "memory").value.forget(std::span(patterns, count));
  });
}

attractor_result attractor_memory_replace(attractor_memory* memory, const int64_t* patterns, size_t count,
                                          const attractor_tensor* others, const attractor_tensor* contents) {
  return guarded([&] {
    if (count > 0) there(patterns, "patterns");
    there(memory, "memory")
        .value.replace(std::span(patterns, count), float_matrix(there(others, "others"), "others"),
                       optional_float_matrix(contents, "contents"));
  });
}

int64_t attractor_memory_identifier_of(const attractor_memory* memory, int64_t pattern) {
  const bool is_there = pattern >= 0 && pattern < memory->value.pattern_count();
  return is_there ? memory->value.identifier_of(pattern) : -1;
}

int64_t attractor_memory_index_of(const attractor_memory* memory, int64_t identifier) {
  return memory->value.index_of(identifier);
}

int64_t attractor_memory_dimension(const attractor_memory* memory) { return memory->value.dimension(); }
int64_t attractor_memory_pattern_count(const attractor_memory* memory) { return memory->value.pattern_count(); }
int64_t attractor_memory_content_dimension(const attractor_memory* memory) { return memory->value.content_dimension(); }
int attractor_memory_is_normalised(const attractor_memory* memory) { return memory->value.is_normalised() ? 1 : 0; }

size_t attractor_memory_rule(const attractor_memory* memory, char* text, size_t size) {
  std::size_t length = 0;
  const attractor_result result = guarded([&] {
    const std::string rule = there(memory, "memory").value.rule();
    length = rule.size();
    if (text == nullptr || size == 0) return;
    const std::size_t written = std::min(length, size - 1);
    std::copy_n(rule.begin(), written, text);
    text[written] = '\0';
  });
  return result == ATTRACTOR_OK ? length : 0;
}

}  // extern "C"
