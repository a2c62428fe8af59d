/// Prints the tables of docs/pages/gpu.md: which linear memories fit a multiprocessor's shared memory, by the library's
/// own layouts.

#include <iostream>
#include <span>
#include <string>

#include "kernels/cuda/resident/resident_fit.hpp"
#include "kernels/cuda/resident/teams_fit.hpp"

namespace {

using attractor::Index;
using attractor::cuda::resident::fit_layout;
using attractor::cuda::resident::Form;
using attractor::cuda::resident::SharedMemoryLimits;
using attractor::cuda::resident::Storage;
namespace teams = attractor::cuda::teams;

constexpr int kib = 1024;

/// As cudaDeviceGetAttribute gives them for the compute capabilities that the library is built for.
struct Card {
  const char* name;
  SharedMemoryLimits limits;
};

constexpr Card cards[] = {
    {"64 KiB (7.5)", {.of_block = 64 * kib, .of_multiprocessor = 64 * kib, .reserved = 0}},
    {"99 KiB (8.9, 12.0)", {.of_block = 99 * kib, .of_multiprocessor = 100 * kib, .reserved = kib}},
    {"163 KiB (8.0)", {.of_block = 163 * kib, .of_multiprocessor = 164 * kib, .reserved = kib}},
    {"227 KiB (9.0, 10.0)", {.of_block = 227 * kib, .of_multiprocessor = 228 * kib, .reserved = kib}},
};

/// The largest size up to `most` that fits; 0: none. Larger ones need more, so that sizes can be halved between.
template <class Fits>
Index largest(Index most, const Fits& fits) {
  Index below = 0;
  Index above = most + 1;
  while (above - below > 1) {
    const Index middle = (below + above) / 2;
    (fits(middle) ? below : above) = middle;
  }
  return below;
}

Index most_patterns(Index dimension, Storage storage, const SharedMemoryLimits& limits) {
  return largest(4096, [&](Index patterns) {
    return fit_layout({.storage = storage, .rows = patterns, .columns = dimension}, limits).has_value();
  });
}

Index most_neurons(Storage storage, const SharedMemoryLimits& limits) {
  return largest(4096, [&](Index neurons) {
    return fit_layout({.form = Form::dense, .storage = storage, .rows = neurons, .columns = neurons}, limits)
        .has_value();
  });
}

/// In fp16 terms.
int planes_of(Storage storage) { return storage == Storage::single ? 2 : 1; }

/// By teams.
Index most_team_patterns(Index dimension, Storage storage, const SharedMemoryLimits& limits) {
  return largest(4096, [&](Index patterns) {
    return teams::fit_layout({Form::factored, planes_of(storage), patterns, dimension}, limits.of_block).has_value();
  });
}

Index most_team_neurons(Storage storage, const SharedMemoryLimits& limits) {
  return largest(1024, [&](Index neurons) {
    return teams::fit_layout({Form::dense, planes_of(storage), neurons, neurons}, limits.of_block).has_value();
  });
}

std::string text(Index count) { return count == 0 ? "–" : std::to_string(count); }

/// What fits as float32, and what as float16.
template <class Most>
std::string cell(const Most& most) {
  return text(most(Storage::single)) + " / " + text(most(Storage::half));
}

constexpr Index dimensions[] = {64, 128, 256, 384, 512, 768, 1024};

void print_head(std::span<const Card> some) {
  std::cout << "| memory |";
  for (const Card& card : some) std::cout << ' ' << card.name << " |";
  std::cout << "\n|---|";
  for (std::size_t i = 0; i < some.size(); ++i) std::cout << "---|";
  std::cout << '\n';
}

/// A row for each dimension, a cell for each card.
template <class Most>
void print_factored(std::span<const Card> some, const Most& most) {
  for (const Index dimension : dimensions) {
    std::cout << "| factored, D = " << dimension << ": patterns |";
    for (const Card& card : some)
      std::cout << ' ' << cell([&](Storage storage) { return most(dimension, storage, card.limits); }) << " |";
    std::cout << '\n';
  }
}

template <class Most>
void print_dense(std::span<const Card> some, const Most& most) {
  std::cout << "| dense: neurons |";
  for (const Card& card : some)
    std::cout << ' ' << cell([&](Storage storage) { return most(storage, card.limits); }) << " |";
  std::cout << '\n';
}

}  // namespace

int main() {
  print_head(cards);
  print_factored(cards, most_patterns);
  print_dense(cards, most_neurons);
  std::cout << '\n';
  // The first card has no tensor cores for teams.
  const std::span<const Card> others = std::span(cards).subspan(1);
  print_head(others);
  print_factored(others, most_team_patterns);
  print_dense(others, most_team_neurons);
  return 0;
}
