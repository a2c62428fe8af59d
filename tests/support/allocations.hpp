#pragma once

/// The process's allocator, for suites that look into it: what is allocated at present, and allocations that fail.
///
/// A suite that compiles allocations.cpp has it for all of the process, the library included. Sanitizers have an
/// allocator of their own.

#include <cstdint>
#include <limits>
#include <new>

#include <attractor/error.hpp>

namespace attractor::test {

/// Blocks that any thread has allocated and none has freed yet.
std::int64_t live_blocks();

/// While there is one, allocations of every thread fail once so many have succeeded.
class Shortage {
 public:
  enum class Kind : unsigned char {
    passing,  ///< one fails, later ones succeed again
    lasting,  ///< all fail from then on
  };

  /// @param bytes what memory holds when it is allocated; 0x40: floats of about 3, 0xFF: NaN
  Shortage(Kind kind, int granted, int bytes);
  Shortage(const Shortage&) = delete;
  Shortage& operator=(const Shortage&) = delete;
  ~Shortage();

  /// How many allocations have failed so far.
  [[nodiscard]] static int refused();
};

/// One of the attempts of `for_each_shortage`.
class Scarcity {
 public:
  Scarcity(Shortage::Kind kind, int granted, int bytes) : kind_(kind), granted_(granted), bytes_(bytes) {}

  /// Does the work while memory is short. False if it ended with std::bad_alloc or a FileError, for the standard
  /// library doesn't say why it can't open a file; what else it throws is passed on.
  template <class Work>
  bool finishes(const Work& work) {
    const Shortage shortage(kind_, granted_, bytes_);
    bool done = true;
    try {
      work();
    } catch (const std::bad_alloc&) {
      done = false;
    } catch (const FileError&) {
      done = false;
    }
    refused_ = Shortage::refused();
    return done;
  }

  /// Whether the work asked for an allocation that failed.
  [[nodiscard]] bool struck() const { return refused_ > 0; }
  [[nodiscard]] int granted() const { return granted_; }

 private:
  Shortage::Kind kind_;
  int granted_;
  int bytes_;
  int refused_ = 0;
};

/// Calls attempt(scarcity), which does some work in it, with the first allocation failing, then the second, and so on
/// until the work asks for none that would fail; of those after the first `all` ever fewer. Returns how many attempts
/// were struck.
template <class Attempt>
int for_each_shortage(const Attempt& attempt, int all = std::numeric_limits<int>::max()) {
  int struck = 0;
  for (const Shortage::Kind kind : {Shortage::Kind::passing, Shortage::Kind::lasting})
    for (int granted = 0;; granted += 1 + granted / all) {
      Scarcity scarcity(kind, granted, granted % 2 == 0 ? 0x40 : 0xFF);
      attempt(scarcity);
      if (!scarcity.struck()) break;
      ++struck;
    }
  return struck;
}

}  // namespace attractor::test
