#pragma once

/// What kernels find of matrices on the current device, as arrays on the host.

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/resources.hpp"

namespace attractor::cuda {

/// A kernel and how it is launched.
template <class... Parameters>
struct Scan {
  const char* name;
  void (*kernel)(Parameters...);
  Grid grid;
};
template <class... Parameters>
Scan(const char*, void (*)(Parameters...), Grid) -> Scan<Parameters...>;

/// What the kernel leaves in its last argument, an array of `count` [count].
template <class T, class... Parameters, class... Arguments>
std::vector<T> scanned(const Scan<Parameters...>& scan, Index count, const std::string& what,
                       Arguments&&... arguments) {
  const DeviceArray<T> found(elements(count), what);
  const Stream stream = make_stream();
  launch_kernel(scan.name, scan.kernel, scan.grid, stream.get(), std::forward<Arguments>(arguments)..., found.data());
  return download(found, stream.get(), what);
}

/// The same where it finds something else than `initial`.
template <class T, class... Parameters, class... Arguments>
T scanned_from(T initial, const Scan<Parameters...>& scan, const std::string& what, Arguments&&... arguments) {
  const DeviceArray<T> found = upload(std::span<const T>(&initial, 1), what);
  const Stream stream = make_stream();
  launch_kernel(scan.name, scan.kernel, scan.grid, stream.get(), std::forward<Arguments>(arguments)..., found.data());
  return download(found, stream.get(), what).front();
}

}  // namespace attractor::cuda
