// Recalls a pattern of which one neuron is wrong; the exit status tells whether that worked.
#include <array>
#include <cstdio>

#include <attractor/attractor.hpp>

int main() {
  const std::array<float, 8> pattern = {1, 1, -1, 1, -1, -1, 1, -1};
  std::array<float, 8> query = pattern;
  query[2] = -query[2];

  const auto memory = attractor::Memory::hebbian(attractor::Device::best(), {pattern.data(), 1, 8});
  const auto result = attractor::Relaxer(memory).relax({query.data(), 1, 8});

  std::printf("attractor %s: %d steps\n", ATTRACTOR_VERSION, static_cast<int>(result.steps[0]));
  for (int i = 0; i < 8; ++i)
    if (result.states(0, i) != pattern[static_cast<std::size_t>(i)]) return 1;
  return 0;
}
