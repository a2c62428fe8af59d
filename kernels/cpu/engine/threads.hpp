#pragma once

/// The threads that share the work of one call on the CPU.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <istream>

#include <attractor/matrix.hpp>

namespace attractor::cpu {

/// The most threads that a call may ask for.
inline constexpr int most_threads = 1024;

/// How many threads a call uses that names no number: as many as OMP_NUM_THREADS says where that is set, else as many
/// as there are processors that the calling thread may run on and control groups grant the process time of.
int default_threads();

/// Processors' worth of time that Linux control groups grant a process, rounded up; most_threads where they set no
/// limit. @param groups what /proc/self/cgroup says. @param root where the groups are mounted: /sys/fs/cgroup.
int granted_processors(std::istream& groups, const std::filesystem::path& root);

/// As many threads as are asked for, 0 for the default, as long as each has at least `grain` of `count` things to do.
inline int team_size(int asked, Index count, Index grain) {
  const Index limit = asked > 0 ? asked : default_threads();
  return static_cast<int>(std::clamp<Index>((count + grain - 1) / grain, 1, limit));
}

/// Calls body(share) once for each share in [0, shares): on this thread and on others that help, each thread one share
/// after another. Where no thread can be had, this one does everything; so shares must not wait for one another.
///
/// Any number of threads may call it at once, also from within a share. What a share throws ends the handing out of
/// further shares and is rethrown from here. A child process after a fork has helpers of its own.
void run_team(int shares, const std::function<void(int)>& body);

/// Calls body(share, first, end) for stretches of at most `chunk` that make up [0, count); which share of the `team`
/// gets which stretch is a matter of chance.
template <class Body>
void run_chunks(int team, Index count, Index chunk, const Body& body) {
  std::atomic<Index> next = 0;
  run_team(team, [&](int share) {
    for (Index first = next.fetch_add(chunk); first < count; first = next.fetch_add(chunk))
      body(share, first, std::min(first + chunk, count));
  });
}

}  // namespace attractor::cpu
