#include "bench/support/memory_usage.hpp"

#include <fstream>
#include <stdexcept>
#include <string>

namespace attractor::bench {
namespace {

/// A field "NAME: 123 kB" of one of the kernel's tables, in bytes.
Index kernel_field(const std::string& path, const std::string& name) {
  std::ifstream in(path);
  for (std::string word; in >> word;) {
    if (word != name + ':') continue;
    Index kilobytes = 0;
    in >> kilobytes;
    return kilobytes * 1024;
  }
  throw std::runtime_error("no " + name + " in " + path);
}

}  // namespace

Index resident_bytes() { return kernel_field("/proc/self/status", "VmRSS"); }

Index peak_resident_bytes() { return kernel_field("/proc/self/status", "VmHWM"); }

Index available_bytes() { return kernel_field("/proc/meminfo", "MemAvailable"); }

void reset_peak() {
  std::ofstream out("/proc/self/clear_refs");
  out << 5 << std::flush;
  if (!out) throw std::runtime_error("can't reset the peak of resident memory");
}

}  // namespace attractor::bench
