#include "host/command/interruption.hpp"

#include <pthread.h>

#include <csignal>
#include <ctime>

namespace attractor::command {
namespace {

sigset_t signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Interruption::Interruption() {
  const sigset_t set = signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  waiter_ = std::jthread([this](const std::stop_token& ends) { wait(ends); });
}

Interruption::~Interruption() {
  waiter_.request_stop();
  waiter_.join();
  const sigset_t set = signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void Interruption::wait(const std::stop_token& ends) {
  const sigset_t set = signals();
  constexpr timespec tenth{.tv_sec = 0, .tv_nsec = 100'000'000};
  while (!ends.stop_requested()) {
    const int signal = sigtimedwait(&set, nullptr, &tenth);
    if (signal <= 0) continue;
    if (signal_ != 0) {
      // Whoever asks twice doesn't want to wait.
      std::signal(signal, SIG_DFL);
      pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
      raise(signal);
    }
    signal_ = signal;
    stop_.request_stop();
  }
}

}  // namespace attractor::command
