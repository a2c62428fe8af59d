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

/// By teams, in fp16 terms.
Index most_team_patterns(Index dimension, int planes, const SharedMemoryLimits& limits) {
  return largest(4096, [&](Index patterns) {
    return attractor::cuda::teams::fit_layout({planes, patterns, dimension}, limits.of_block).has_value();
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
template <class Cell>
void print_factored(std::span<const Card> some, const Cell& cell_of) {
  for (const Index dimension : dimensions) {
    std::cout << "| factored, D = " << dimension << ": patterns |";
    for (const Card& card : some) std::cout << ' ' << cell_of(dimension, card.limits) << " |";
    std::cout << '\n';
  }
}

}  // namespace

int main() {
  print_head(cards);
  print_factored(cards, [](Index dimension, const SharedMemoryLimits& limits) {
    return cell([&](Storage storage) { return most_patterns(dimension, storage, limits); });
  });
  std::cout << "| dense: neurons |";
  for (const Card& card : cards)
    std::cout << ' ' << cell([&](Storage storage) { return most_neurons(storage, card.limits); }) << " |";
  std::cout << "\n\n";

  // The first card has no tensor cores for them.
  const std::span<const Card> others = std::span(cards).subspan(1);
  print_head(others);
  print_factored(others, [](Index dimension, const SharedMemoryLimits& limits) {
    return cell(
        [&](Storage storage) { return most_team_patterns(dimension, storage == Storage::single ? 2 : 1, limits); });
  });
  return 0;
}
