#pragma once

/// Where the caller's data are, as far as it can be told without asking CUDA: a device pointer in the place of host
/// data would end the program.

#include <span>
#include <string>
#include <variant>

#include <attractor/matrix.hpp>
#include <attractor/query_view.hpp>

namespace attractor::detail {

/// Whether the host can read what lies at this address; true where the system has no way to tell.
bool host_can_read(const void* address);

/// @throws InvalidArgument the host can't read `data`; null is no concern of this check. `what` is the plural:
/// "patterns".
void check_on_host(const void* data, const std::string& what);

template <class T>
void check_on_host(MatrixView<T> matrix, const std::string& what) {
  if (!matrix.empty()) check_on_host(static_cast<const void*>(matrix.data), what);
}

template <class T>
void check_on_host(std::span<T> values, const std::string& what) {
  if (!values.empty()) check_on_host(static_cast<const void*>(values.data()), what);
}

inline void check_on_host(const QueryView& rows, const std::string& what) {
  std::visit(
      [&](const auto& view) {
        if (!view.empty()) check_on_host(static_cast<const void*>(view.data), what);
      },
      rows.formats());
}

}  // namespace attractor::detail
