/// One step against the oracle, from any state, within a rigorous bound on rounding. Since a step is taken from the
/// engine's own previous state, errors cannot build up, and chaotic trajectories are compared as sharply as calm ones.

#include <array>
#include <cmath>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

using reference::Vector;

struct Shape {
  Index dimension;
  Index patterns;
  Index queries;
};

/// The corners of the engine's tiling: vector lanes (4, 8, 16), rows of a panel (8) and query slots of a tile (64),
/// one below, at and above.
constexpr std::array<Index, 21> edges = {1,  2,  3,  4,  5,  7,  8,   9,   15,  16, 17,
                                         31, 32, 33, 63, 64, 65, 100, 127, 128, 129};

Shape random_shape(Rng& rng) {
  return {edges[rng() % edges.size()], edges[rng() % edges.size()], edges[rng() % edges.size()]};
}

using Case = std::tuple<SystemKind, NamedUpdate>;

std::string case_name(const testing::TestParamInfo<Case>& info) {
  return std::get<0>(info.param).name + "_" + std::get<1>(info.param).name;
}

class StepReferenceTest : public testing::TestWithParam<Case> {
 protected:
  const SystemKind& kind() const { return std::get<0>(GetParam()); }
  const Update& update() const { return std::get<1>(GetParam()).update; }

  /// Random entries that are bipolar in half of the cases; the rules that need independent patterns get few Gaussian
  /// ones.
  Matrix<float> draw_patterns(const Shape& shape) {
    if (kind().independent_patterns)
      return random_gaussian(std::min(shape.patterns, (shape.dimension + 1) / 2), shape.dimension, rng_);
    if ((rng_() & 1U) != 0) return random_bipolar(shape.patterns, shape.dimension, rng_);
    return random_gaussian(shape.patterns, shape.dimension, rng_);
  }

  Relaxation relax(const System& system, const Matrix<float>& queries, const Matrix<std::uint8_t>& clamped, int steps) {
    const Relaxer relaxer(
        system.memory,
        {.update = update(), .halting = fixed_steps(), .max_steps = steps, .energies = true, .threads = 1 + steps % 2});
    return relaxer.relax(queries, {.clamped = clamped.view()});
  }

  /// Compares one step of one query and the energy it ends with.
  void expect_step(const System& system, std::span<const float> from, std::span<const std::uint8_t> clamped,
                   std::span<const float> to, float energy) {
    const Vector state = to_double(from);
    const Vector next = to_double(to);
    const Vector field = reference::readout(system.model, state);
    const Vector expected = reference::apply(update(), state, field);
    const RoundingBound bound = rounding_bound(system, state);
    const Vector tolerance = next_state_bound(update(), bound, state, field);
    for (std::size_t i = 0; i < state.size(); ++i) {
      if (!clamped.empty() && clamped[i] != 0) {
        EXPECT_EQ(to[i], from[i]) << "clamped neuron " << i;
        continue;
      }
      ++signs_;
      if (sign_is_open(update(), field[i], bound.zero[i])) {
        ++open_signs_;
        EXPECT_TRUE(std::abs(to[i]) == 1.0F || to[i] == from[i]) << "neuron " << i << " is " << to[i];
        continue;
      }
      EXPECT_NEAR(next[i], expected[i], tolerance[i]) << "neuron " << i;
    }
    EXPECT_NEAR(static_cast<double>(energy), reference::energy(system.model, next),
                rounding_bound(system, next).energy);
  }

  void expect_steps(Shape shape) {
    shape.dimension = std::max(shape.dimension, kind().least_dimension);
    const Matrix<float> patterns = draw_patterns(shape);
    const System system = kind().system(patterns);
    Matrix<float> states = noisy_copies(patterns, shape.queries, 0.2F, 1.0F, rng_);
    Matrix<std::uint8_t> clamped;
    if ((rng_() & 1U) != 0) clamped = random_mask(shape.queries, shape.dimension, 0.3, rng_);
    const std::vector<Index> sample = sample_rows(shape.queries, 6, rng_);
    const Matrix<float> queries = copy(states);
    const int steps = test_device_is_slow() ? 2 : 3;
    for (int t = 1; t <= steps; ++t) {
      Relaxation result = relax(system, queries, clamped, t);
      for (const Index i : sample) {
        SCOPED_TRACE(testing::Message() << "D=" << shape.dimension << " P=" << patterns.rows() << " B=" << shape.queries
                                        << " query " << i << " step " << t);
        const auto mask = clamped.empty() ? std::span<const std::uint8_t>{} : row_of(clamped, i);
        expect_step(system, row_of(states, i), mask, row_of(result.states, i),
                    result.energies.at(static_cast<std::size_t>(i)));
        EXPECT_EQ(result.steps.at(static_cast<std::size_t>(i)), t);
        EXPECT_EQ(result.status.at(static_cast<std::size_t>(i)), Status::max_steps);
        if (HasFailure()) return;
      }
      states = std::move(result.states);
    }
  }

  Rng rng_{20240229};
  int signs_ = 0;
  int open_signs_ = 0;
};

TEST_P(StepReferenceTest, AgreesOnRandomShapes) {
  const int shapes = test_device_is_slow() ? 2 : 5;
  for (int i = 0; i < shapes && !HasFailure(); ++i) expect_steps(random_shape(rng_));

  EXPECT_LE(open_signs_, signs_ / 20) << "too many signs were left open for the comparison to mean much";
}

TEST_P(StepReferenceTest, AgreesAtTileEdges) {
  const std::vector<Shape> many = {{1, 1, 1},    {2, 1, 65},   {16, 9, 64},   {17, 8, 63},
                                   {64, 7, 129}, {129, 65, 2}, {128, 64, 128}};
  const std::vector<Shape> few = {{1, 1, 1}, {2, 1, 33}, {17, 8, 9}, {33, 7, 65}, {65, 65, 2}, {64, 64, 32}};
  for (const Shape& shape : test_device_is_slow() ? few : many)
    if (!HasFailure()) expect_steps(shape);
}

INSTANTIATE_TEST_SUITE_P(, StepReferenceTest, testing::ValuesIn(systems_and_updates()), case_name);

/// Sums of ±1 are exact in float, and so is every comparison with 0: all of it is equal, ties included.
class BipolarStepTest : public testing::TestWithParam<Evaluation> {};

TEST_P(BipolarStepTest, SignUpdateIsExactTiesIncluded) {
  Rng rng(5);
  int ties = 0;
  for (const Shape& shape :
       {Shape{2, 2, 9}, Shape{8, 4, 65}, Shape{33, 5, 64}, Shape{64, 16, 129}, Shape{100, 9, 63}}) {
    const Matrix<float> patterns = random_bipolar(shape.patterns, shape.dimension, rng);
    const reference::Model model = reference::hebbian(patterns);
    const Matrix<float> queries = flipped_copies(patterns, shape.queries, 0.4, rng);
    const Relaxer relaxer(Memory::hebbian(test_device(), patterns, {.evaluation = GetParam()}),
                          {.halting = fixed_steps(), .max_steps = 1, .energies = true});

    const Relaxation result = relaxer.relax(queries);

    for (Index i = 0; i < shape.queries; ++i) {
      const Vector query = to_double(row_of(queries, i));
      const Vector field = reference::readout(model, query);
      const Vector expected = reference::apply(sign_update(), query, field);
      EXPECT_EQ(to_double(row_of(result.states, i)), expected) << "query " << i;
      EXPECT_FLOAT_EQ(result.energies.at(static_cast<std::size_t>(i)),
                      static_cast<float>(reference::energy(model, expected)));
      ties += static_cast<int>(std::count(field.begin(), field.end(), 0.0));
    }
  }
  EXPECT_GT(ties, 100) << "the data has too few ties to test them";
}

INSTANTIATE_TEST_SUITE_P(, BipolarStepTest, testing::Values(Evaluation::factored, Evaluation::dense));

/// The halting rule's documentation says that energies resolve about 2e-7 of themselves, so that a relative tolerance
/// of 1e-6 is useful: no error may reach that.
TEST(EnergyTest, IsWithinTheDocumentedResolution) {
  Rng rng(6);
  for (const Evaluation evaluation : {Evaluation::factored, Evaluation::dense})
    for (const Shape& shape : {Shape{128, 8, 64}, Shape{512, 40, 20}}) {
      const Matrix<float> patterns = random_bipolar(shape.patterns, shape.dimension, rng);
      const reference::Model model = reference::hebbian(patterns);
      const Matrix<float> queries = noisy_copies(patterns, shape.queries, 0.5F, 2.5F, rng);
      const Relaxer relaxer(Memory::hebbian(test_device(), patterns, {.evaluation = evaluation}),
                            {.update = tanh_update(), .halting = fixed_steps(), .max_steps = 4, .energies = true});

      const Relaxation result = relaxer.relax(queries);

      for (Index i = 0; i < shape.queries; ++i) {
        const double expected = reference::energy(model, to_double(row_of(result.states, i)));
        EXPECT_NEAR(static_cast<double>(result.energies.at(static_cast<std::size_t>(i))), expected,
                    1e-6 * std::abs(expected))
            << "D=" << shape.dimension << " query " << i;
      }
    }
}

}  // namespace
}  // namespace attractor::test
