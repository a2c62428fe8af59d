#include "host/src/host_memory.hpp"

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#endif

#include <attractor/error.hpp>

namespace attractor::detail {

#ifdef __linux__
bool host_can_read(const void* address) {
  // A call that fails in any case: for its unknown first argument, or, before that, because the kernel can't read the
  // set of signals. Aligned down, the set lies within the page in question.
  constexpr std::uintptr_t set_bytes = 8;
  constexpr int unknown = -1;
  const auto set =
      reinterpret_cast<std::uintptr_t>(address) / set_bytes * set_bytes;  // NOLINT: a question of addresses
  const int error_before = errno;
  const bool faults = syscall(SYS_rt_sigprocmask, unknown, set, nullptr, set_bytes) != 0 && errno == EFAULT;
  errno = error_before;
  return !faults;
}
#else
bool host_can_read(const void* /*address*/) { return true; }
#endif

void check_on_host(const void* data, const std::string& what) {
  if (data != nullptr && !host_can_read(data))
    throw InvalidArgument(what +
                          " are at an address that the host can't read; they must be in host memory, not on a CUDA "
                          "device");
}

}  // namespace attractor::detail
