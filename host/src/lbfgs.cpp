#include <cmath>
#include <deque>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "host/src/minimiser.hpp"

namespace attractor::detail {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t memory = 10;

/// Smaller decreases, relative to the value, are lost in the rounding of the objective.
constexpr double smallest_decrease = 1e-9;

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

/// a + factor·b
Vector sum(const Vector& a, double factor, const Vector& b) {
  Vector result(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) result[i] = a[i] + factor * b[i];
  return result;
}

struct Point {
  Vector x;
  Vector gradient;
  double value = 0.0;
};

Point evaluate(const Objective& objective, Vector x) {
  Point point{.x = std::move(x), .gradient = {}};
  point.gradient.resize(point.x.size());
  point.value = objective(point.x, point.gradient);
  return point;
}

/// The inverse Hessian as the last steps and their changes of gradient tell it.
class Curvature {
 public:
  /// −H·gradient, by the two-loop recursion; before any step, a step of unit length down the gradient.
  [[nodiscard]] Vector direction(const Vector& gradient) const {
    if (steps_.empty()) return sum(Vector(gradient.size(), 0.0), -1.0 / std::sqrt(dot(gradient, gradient)), gradient);
    Vector result = gradient;
    Vector shares;
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      shares.push_back(dot(step->x, result) / step->product);
      result = sum(result, -shares.back(), step->gradient);
    }
    const Step& last = steps_.back();
    for (double& value : result) value *= -last.product / dot(last.gradient, last.gradient);
    for (const Step& step : steps_) {
      result = sum(result, -shares.back() - dot(step.gradient, result) / step.product, step.x);
      shares.pop_back();
    }
    return result;
  }

  /// The curvature condition of the line search makes the product positive.
  void learn(const Point& from, const Point& to) {
    Step step{.x = sum(to.x, -1.0, from.x), .gradient = sum(to.gradient, -1.0, from.gradient)};
    step.product = dot(step.x, step.gradient);
    if (steps_.size() == memory) steps_.pop_front();
    steps_.push_back(std::move(step));
  }

  [[nodiscard]] bool empty() const { return steps_.empty(); }
  void forget() { steps_.clear(); }

 private:
  struct Step {
    Vector x;
    Vector gradient;
    double product = 0.0;
  };
  std::deque<Step> steps_;
};

/// The first point tried along the direction that satisfies the weak Wolfe conditions, if one is found.
std::optional<Point> search(const Objective& objective, const Point& from, const Vector& direction) {
  constexpr int attempts = 12;
  constexpr double sufficient_decrease = 1e-4;
  constexpr double sufficient_flattening = 0.9;
  const double slope = dot(from.gradient, direction);
  if (!(slope < 0.0)) return std::nullopt;
  double low = 0.0;
  double high = std::numeric_limits<double>::infinity();
  double length = 1.0;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    Point point = evaluate(objective, sum(from.x, length, direction));
    // Written so that a value which isn't a number is too far.
    if (!(point.value <= from.value + sufficient_decrease * length * slope))
      high = length;
    else if (dot(point.gradient, direction) < sufficient_flattening * slope)
      low = length;
    else
      return point;
    length = std::isinf(high) ? 2.0 * low : 0.5 * (low + high);
  }
  return std::nullopt;
}

}  // namespace

bool minimise_lbfgs(const Objective& objective, Vector x, const Accept& accept) {
  Point here = evaluate(objective, std::move(x));
  Curvature curvature;
  while (!vanishes(here.gradient)) {
    std::optional<Point> next = search(objective, here, curvature.direction(here.gradient));
    if (!next) {
      if (curvature.empty()) return true;
      curvature.forget();
      continue;
    }
    curvature.learn(here, *next);
    const bool settled = here.value - next->value <= smallest_decrease * std::abs(next->value);
    here = std::move(*next);
    if (!accept(here.x, here.value)) return false;
    if (settled) return true;
  }
  return true;
}

}  // namespace attractor::detail
