#include <cmath>

#include "host/src/minimiser.hpp"

namespace attractor::detail {

bool minimise_adam(const Objective& objective, std::vector<double> x, double rate, const Accept& accept) {
  constexpr double decay_mean = 0.9;
  constexpr double decay_square = 0.999;
  constexpr double epsilon = 1e-8;
  std::vector<double> gradient(x.size());
  std::vector<double> mean(x.size(), 0.0);
  std::vector<double> square(x.size(), 0.0);
  objective(x, gradient);
  double mean_bias = 1.0;
  double square_bias = 1.0;
  while (!vanishes(gradient)) {
    mean_bias *= decay_mean;
    square_bias *= decay_square;
    for (std::size_t i = 0; i < x.size(); ++i) {
      mean[i] += (1.0 - decay_mean) * (gradient[i] - mean[i]);
      square[i] += (1.0 - decay_square) * (gradient[i] * gradient[i] - square[i]);
      x[i] -= rate * (mean[i] / (1.0 - mean_bias)) / (std::sqrt(square[i] / (1.0 - square_bias)) + epsilon);
    }
    const double value = objective(x, gradient);
    if (!accept(x, value)) return false;
  }
  return true;
}

}  // namespace attractor::detail
