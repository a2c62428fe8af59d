#pragma once

/// Makes calls to CUDA and cuBLAS fail, and keeps the books of what they give out. For programs linked with --wrap for
/// each of these calls.

#include <cstddef>
#include <set>
#include <string>

namespace attractor::test {

/// The symbols of the calls that can be made to fail.
const std::set<std::string>& faulty_calls();

/// Those that have been made so far.
std::set<std::string> calls_made();

/// While it lives, the `nth` call of this symbol from its start on fails, in whichever thread; 1 is the next.
class Fault {
 public:
  Fault(const std::string& call, int nth);
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
  ~Fault();

  [[nodiscard]] bool has_struck() const;
};

/// Allocations, streams, events and handles that were made and not yet given back. To give one back twice ends the
/// program.
std::size_t live_resources();

}  // namespace attractor::test
