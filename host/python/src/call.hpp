#pragma once

/// How calls run: without the interpreter's lock, ended by Ctrl-C, telling how far they are.

#include <chrono>
#include <future>
#include <stop_token>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <nanobind/nanobind.h>

namespace attractor::python {

namespace nb = nanobind;

/// Runs work that knows nothing of Python while other threads of it go on.
template <class Work>
auto unlocked(const Work& work) {
  const nb::gil_scoped_release release;
  return work();
}

/// Whether this is the thread in which Python handles signals.
bool handles_signals();

/// Throws what a signal's handler has raised, as KeyboardInterrupt; asks the work to stop first.
template <class Future>
void wait_for_signals(Future& future, std::stop_source& stop) {
  constexpr std::chrono::milliseconds interval(50);
  const auto is_done = [&] {
    const nb::gil_scoped_release release;
    return future.wait_for(interval) == std::future_status::ready;
  };
  while (!is_done()) {
    if (PyErr_CheckSignals() == 0) continue;
    nb::python_error raised;
    stop.request_stop();
    unlocked([&] { future.wait(); });
    throw raised;
  }
}

/// The same as `unlocked` for work that `stop` ends: Ctrl-C, or what any signal's handler raises, does so too. Python
/// runs handlers in its main thread alone, so work called from there is done by another one.
template <class Work>
std::invoke_result_t<Work> interruptible(const Work& work, std::stop_source& stop) {
  if (!handles_signals()) return unlocked(work);
  std::future<std::invoke_result_t<Work>> future;
  try {
    future = std::async(std::launch::async, work);
  } catch (const std::system_error&) {  // There are no more threads; the work itself gets by without.
    return unlocked(work);
  }
  wait_for_signals(future, stop);
  return future.get();
}

/// What a caller wants to know of progress: nothing, a bar, or calls of a function.
class ProgressReport {
 public:
  /// @param wish None or False; True for a bar; or something to call.
  /// @throws nb::type_error something else.
  ProgressReport(nb::handle wish, const std::string& unit);
  ProgressReport(const ProgressReport&) = delete;
  ProgressReport& operator=(const ProgressReport&) = delete;
  /// Closes a bar.
  ~ProgressReport();

  [[nodiscard]] bool is_wanted() const { return callback_.is_valid(); }

  /// Takes the interpreter's lock.
  template <class... Values>
  void operator()(Values... values) const {
    const nb::gil_scoped_acquire lock;
    callback_(values...);
  }

 private:
  nb::object callback_;
  bool is_bar_ = false;
};

/// What a caller may end a call by: `stop`, and a source of this call's own for signals.
class Cancellation {
 public:
  explicit Cancellation(const std::stop_source* wish)
      : link_(wish == nullptr ? std::stop_token() : wish->get_token(), Request{source_}) {}

  std::stop_source& source() { return source_; }
  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  struct Request {
    std::stop_source& source;
    void operator()() const { source.request_stop(); }
  };
  std::stop_source source_;
  std::stop_callback<Request> link_;
};

}  // namespace attractor::python
