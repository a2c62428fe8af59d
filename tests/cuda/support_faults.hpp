#pragma once

/// Makes calls to CUDA fail, and keeps the books of what they give out. For programs linked with --wrap for
/// each of these calls.

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

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

/// What was called while it lives, in whichever thread. One at a time.
class CallRecord {
 public:
  CallRecord();
  CallRecord(const CallRecord&) = delete;
  CallRecord& operator=(const CallRecord&) = delete;
  ~CallRecord() = default;

  /// How often each symbol was called.
  [[nodiscard]] std::map<std::string, int> counts() const;

  /// Calls that spoil the capture of a graph by another thread: those that a thread which isn't exempt must not make,
  /// and those that use the default stream.
  [[nodiscard]] std::set<std::string> spoilers() const;
};

/// While it lives, an event seems unfinished the first `queries` times that it is asked for.
class LateEvents {
 public:
  explicit LateEvents(int queries);
  LateEvents(const LateEvents&) = delete;
  LateEvents& operator=(const LateEvents&) = delete;
  ~LateEvents();
};

/// While it lives, the device says that it has so many bytes left.
class LittleLeft {
 public:
  explicit LittleLeft(std::size_t bytes);
  LittleLeft(const LittleLeft&) = delete;
  LittleLeft& operator=(const LittleLeft&) = delete;
  ~LittleLeft();
};

/// While it lives, the driver says that it is of this version: 12030 is 12.3.
class OldDriver {
 public:
  explicit OldDriver(int version);
  OldDriver(const OldDriver&) = delete;
  OldDriver& operator=(const OldDriver&) = delete;
  ~OldDriver();
};

/// From here on CUDA says that its driver has gone.
void unload_driver();

/// Allocations, streams, events and handles that were made and not yet given back. To give one back twice ends the
/// program.
std::size_t live_resources();

}  // namespace attractor::test
