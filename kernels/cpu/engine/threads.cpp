// The threads of the CPU: one pool for the whole process, whose sleeping workers help whoever calls.
//
// OpenMP's runtimes end the process where they can't create a thread, and hang in the child of a fork. This does
// neither: a caller never waits for a thread to come, only for shares that one has taken.

#include "kernels/cpu/engine/threads.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace attractor::cpu {
namespace {

/// The shares of one call. All but `body` is guarded by the pool's mutex.
struct Team {
  const std::function<void(int)>& body;
  int shares;
  int next = 0;     ///< the first share that nobody has taken
  int running = 0;  ///< shares that were taken and aren't done
  std::exception_ptr failure = nullptr;
  std::condition_variable done = {};

  [[nodiscard]] int open() const { return shares - next; }
};

/// A worker must not run the application's signal handlers: they expect its own threads.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

/// Never destroyed: a thread may still be at work when the process ends.
class Pool {
 public:
  void run(Team& team) {
    std::unique_lock lock(mutex_);
    teams_.push_back(&team);
    hire();
    const bool everyone = team.shares > idle_;
    lock.unlock();
    if (everyone)
      work_.notify_all();
    else
      for (int i = 1; i < team.shares; ++i) work_.notify_one();
    lock.lock();
    take_shares(team, lock);
    team.done.wait(lock, [&] { return team.running == 0; });
  }

  /// Ends the workers, before the code that they run is unloaded. One that is still at work has its reason: the process
  /// ends under it, and it isn't waited for.
  void close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    if (idle_ < static_cast<int>(workers_.size())) return;
    lock.unlock();
    work_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  Pool* before_fork = nullptr;  ///< what the parent process had: useless, but reachable

 private:
  /// Creates workers, as long as there are fewer idle ones than shares for them; fewer if the system refuses.
  void hire() {
    int wanted = -1;  // The caller takes a share itself.
    for (const Team* const team : teams_) wanted += team->open();
    const BlockedSignals blocked;
    try {
      while (!closed_ && idle_ < wanted && workers_.size() < std::size_t{most_threads}) {
        workers_.emplace_back([this] { work(); });
        ++idle_;
      }
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): those that there are do
    }
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [&] { return closed_ || !teams_.empty(); });
      if (teams_.empty()) return;
      Team& team = *teams_.front();
      --idle_;
      take_shares(team, lock);
      ++idle_;
    }
  }

  void take_shares(Team& team, std::unique_lock<std::mutex>& lock) {
    while (team.open() > 0) {
      const int share = team.next++;
      if (team.open() == 0) std::erase(teams_, &team);
      ++team.running;
      lock.unlock();
      std::exception_ptr failure = attempt(team, share);
      lock.lock();
      if (failure) fail(team, std::move(failure));
      // Under the lock: once this is known to the caller, the team is gone.
      if (--team.running == 0) team.done.notify_one();
    }
  }

  static std::exception_ptr attempt(const Team& team, int share) {
    try {
      team.body(share);
      return nullptr;
    } catch (...) {
      return std::current_exception();
    }
  }

  void fail(Team& team, std::exception_ptr failure) {
    if (!team.failure) team.failure = std::move(failure);
    std::erase(teams_, &team);
    team.next = team.shares;
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<Team*> teams_;  ///< with open shares
  std::vector<std::thread> workers_;
  int idle_ = 0;  ///< workers that wait for a team, or will in a moment
  bool closed_ = false;
};

// The process has one pool, which must outlive a fork's handler.
std::atomic<Pool*> current_pool = nullptr;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
Pool* lost_pool = nullptr;                  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

/// Made without a lock that a fork could leave locked.
Pool& pool() {
  Pool* found = current_pool.load();
  if (found != nullptr) return *found;
  auto made = std::make_unique<Pool>();
  return current_pool.compare_exchange_strong(found, made.get()) ? *made.release() : *found;
}

/// In the child of a fork, which has none of its parent's threads.
void forget_pool() {
  Pool* const parents = current_pool.exchange(nullptr);
  if (parents == nullptr) return;
  parents->before_fork = lost_pool;
  lost_pool = parents;
}

/// What happens to the process, or to the library in it.
class ProcessEvents {
 public:
  ProcessEvents() noexcept { pthread_atfork(nullptr, nullptr, forget_pool); }
  ProcessEvents(const ProcessEvents&) = delete;
  ProcessEvents& operator=(const ProcessEvents&) = delete;
  ~ProcessEvents() {
    if (Pool* const open = current_pool.load()) open->close();
  }
};
const ProcessEvents process_events;

/// OMP_NUM_THREADS, of a list its first number; 0 where it says nothing.
int environment_threads() {
  const char* const text = std::getenv("OMP_NUM_THREADS");  // NOLINT(concurrency-mt-unsafe): read once
  return text == nullptr ? 0
                         : static_cast<int>(std::clamp<std::int64_t>(std::strtol(text, nullptr, 10), 0, most_threads));
}

int processors_of_own_group() {
  std::ifstream groups("/proc/self/cgroup");
  return granted_processors(groups, "/sys/fs/cgroup");
}

/// Processors that the calling thread may run on.
int allowed_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return static_cast<int>(std::thread::hardware_concurrency());
  return CPU_COUNT(&set);
}

/// A number that is found out once; threads that do so at the same time find the same. No lock that a fork could leave
/// locked.
int once(std::atomic<int>& known, int (*find)()) {
  if (known < 0) known = find();
  return known;
}

}  // namespace

int granted_processors(std::istream& groups, const std::filesystem::path& root) {
  // A line for each hierarchy; that of version 2, which has the limits, is "0::/path/from/the/root".
  std::string line;
  while (std::getline(groups, line) && !line.starts_with("0::/")) {
  }
  double granted = most_threads;
  const std::filesystem::path own = root / (groups ? line.substr(4) : std::string());
  for (std::filesystem::path group = own;; group = group.parent_path()) {
    double quota = 0.0;
    double period = 0.0;
    // "max" is no number, and no limit.
    if (std::ifstream(group / "cpu.max") >> quota >> period) granted = std::min(granted, std::ceil(quota / period));
    if (group == root || !group.has_relative_path()) return std::max(static_cast<int>(granted), 1);
  }
}

int default_threads() {
  static std::atomic<int> environment = -1;
  static std::atomic<int> granted = -1;
  if (const int asked = once(environment, environment_threads); asked > 0) return asked;
  return std::clamp(allowed_processors(), 1, once(granted, processors_of_own_group));
}

void run_team(int shares, const std::function<void(int)>& body) {
  if (shares == 1) return body(0);
  Team team{.body = body, .shares = shares};
  pool().run(team);
  if (team.failure) std::rethrow_exception(std::move(team.failure));
}

}  // namespace attractor::cpu
