/// Inverse temperatures of a call: one for all of its steps, or a schedule.

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attractor/attractor.hpp>

#include "core/end_judge.hpp"
#include "tests/support/data.hpp"
#include "tests/support/device.hpp"
#include "tests/support/results.hpp"
#include "tests/support/systems.hpp"

namespace attractor::test {
namespace {

using reference::Vector;

constexpr float infinity = std::numeric_limits<float>::infinity();

/// A memory but for its patterns.
struct Kind {
  ModernHopfieldOptions options;
  bool exponential = false;
};

/// Every similarity with every separation, and each with priors and without, one of both where that is slow.
std::vector<Kind> all_kinds(Index patterns) {
  std::vector<float> prior(static_cast<std::size_t>(patterns));
  for (std::size_t i = 0; i < prior.size(); ++i) prior[i] = static_cast<float>(i % 7) - 4.5F;
  if (patterns > 5) prior[5] = -infinity;
  std::vector<Kind> kinds;
  bool prior_is_next = true;
  for (const auto& [similarity, beta] :
       {std::pair(Similarity::dot, 0.4F), std::pair(Similarity::squared_distance, 0.3F),
        std::pair(Similarity::manhattan, 0.6F), std::pair(Similarity::cosine, 5.0F)})
    for (const NormalisedSeparation& separation : {softmax(), sparsemax(), entmax(1.5F), normmax(), top(3)}) {
      prior_is_next = !prior_is_next;
      for (const bool has_prior : {false, true}) {
        if (test_device_is_slow() && has_prior != prior_is_next) continue;
        kinds.push_back({.options = {.beta = beta,
                                     .similarity = similarity,
                                     .separation = separation,
                                     .log_prior = has_prior ? prior : std::vector<float>()}});
      }
    }
  for (const auto& [similarity, beta] :
       {std::pair(Similarity::squared_distance, 0.02F), {Similarity::manhattan, 0.02F}})
    kinds.push_back({.options = {.beta = beta, .similarity = similarity, .separation = epanechnikov()}});
  kinds.push_back({.options = {.beta = 0.3F}, .exponential = true});
  return kinds;
}

Memory make_memory(MatrixView<const float> patterns, const Kind& kind) {
  if (kind.exponential)
    return Memory::exponential(test_device(), patterns, {.beta = kind.options.beta, .contents = kind.options.contents});
  return Memory::modern_hopfield(test_device(), patterns, kind.options);
}

reference::SoftmaxModel model_of(MatrixView<const float> patterns, const Kind& kind, float beta) {
  reference::SoftmaxModel model =
      reference::modern_hopfield(patterns, static_cast<double>(beta), kind.options.separation);
  model.similarity = kind.options.similarity;
  model.log_prior = kind.options.log_prior;
  model.quadratic = !kind.exponential;
  return model;
}

/// The energies and next states of one step of a query against the oracle's at the temperatures of that step.
void expect_step(const System& at_step, const System& at_next, const Update& update, std::span<const float> from,
                 std::span<const float> to, float energy) {
  // Priors and factors of temperatures are a few more terms and roundings of scores.
  constexpr double more_terms = 1e-5;
  const Vector state = to_double(from);
  const Vector next = to_double(to);
  const Vector field = reference::readout(at_step.model, state);
  const Vector expected = reference::apply(update, state, field);
  const RoundingBound bound = rounding_bound(at_step, state);
  const Vector tolerance = next_state_bound(update, bound, state, field);
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (sign_is_open(update, field[i], bound.zero[i] + more_terms)) continue;
    EXPECT_NEAR(next[i], expected[i], 2.0 * tolerance[i] + more_terms) << at_step.memory.rule() << " neuron " << i;
  }
  const double beta = std::get<reference::SoftmaxModel>(at_next.model).beta;
  EXPECT_NEAR(static_cast<double>(energy), reference::energy(at_next.model, next),
              2.0 * rounding_bound(at_next, next).energy + more_terms / beta)
      << at_next.memory.rule();
}

/// A schedule of its own for each kind: rising, with a fall, around the memory's beta.
std::vector<float> schedule_for(const Kind& kind) {
  const float beta = kind.options.beta;
  return {0.1F * beta, 0.5F * beta, 0.3F * beta, 2.0F * beta, 1.7F * beta};
}

class ScheduleTest : public testing::Test {
 protected:
  static constexpr Index dimension = 11;
  static constexpr Index pattern_count = 40;

  /// Kinds whose contents are read out, too.
  std::vector<Kind> kinds() const {
    std::vector<Kind> result = all_kinds(pattern_count);
    for (Kind& kind : result) kind.options.contents = contents_.view();
    return result;
  }

  Rng rng_{600};
  Matrix<float> patterns_ = random_gaussian(pattern_count, dimension, rng_);
  Matrix<float> contents_ = random_gaussian(pattern_count, 5, rng_);
  Matrix<float> queries_ = noisy_copies(patterns_, test_device_is_slow() ? 24 : 70, 0.1F, 1.5F, rng_);
};

TEST_F(ScheduleTest, StepsAndEnergiesAreThoseOfTheOracleAtTheirTemperatures) {
  const std::vector<Update> updates = {readout_update(), blend_update(0.3F), sign_update(), tanh_update()};
  std::size_t turn = 0;
  for (const Index count : {1, 9, 40})
    for (const Kind& kind : all_kinds(count)) {
      if (test_device_is_slow() && ++turn % 3 != 0) continue;
      const Matrix<float> patterns = random_gaussian(count, 2 + static_cast<Index>(rng_() % 30), rng_);
      const Memory memory = make_memory(patterns, kind);
      const Index query_count = test_device_is_slow() ? 12 : 35;
      Matrix<float> states = noisy_copies(patterns, query_count, 0.2F, 1.0F, rng_);
      const Matrix<float> queries = copy(states);
      const Update& update = updates[turn++ % updates.size()];
      const std::vector<float> betas = schedule_for(kind);
      const auto system_of_step = [&](int t) -> System {
        return {memory, model_of(patterns, kind, betas[std::min<std::size_t>(static_cast<std::size_t>(t), 5) - 1])};
      };
      for (int t = 1; t <= 6; ++t) {
        const Relaxer relaxer(memory, {.update = update, .halting = fixed_steps(), .max_steps = t, .energies = true});
        Relaxation result = relaxer.relax(queries, {.betas = betas});
        const System at_step = system_of_step(t);
        const System at_next = system_of_step(t + 1);
        for (const Index i : sample_rows(query_count, 6, rng_)) {
          SCOPED_TRACE(testing::Message() << "query " << i << " step " << t << " patterns " << count);
          expect_step(at_step, at_next, update, row_of(states, i), row_of(result.states, i),
                      result.energies[static_cast<std::size_t>(i)]);
        }
        if (HasFailure()) return;
        states = std::move(result.states);
      }
    }
}

TEST_F(ScheduleTest, WholeRelaxationsFollowTheOracle) {
  int converged = 0;
  for (const Kind& kind : all_kinds(pattern_count)) {
    if (!std::holds_alternative<SoftmaxSeparation>(kind.options.separation)) continue;  // Others have edges.
    const std::vector<float> betas = schedule_for(kind);
    const Halting halting = energy_stable({.absolute = 1e-3F / betas.back(), .relative = 0.0F, .patience = 2});
    const Relaxation result =
        Relaxer(make_memory(patterns_, kind),
                {.update = blend_update(0.5F), .halting = halting, .max_steps = 30, .energy_trace = true})
            .relax(queries_, {.betas = betas});
    for (const Index i : sample_rows(queries_.rows(), 10, rng_)) {
      const auto at = static_cast<std::size_t>(i);
      const reference::Outcome expected = reference::relax(
          model_of(patterns_, kind, kind.options.beta),
          {.update = blend_update(0.5F), .halting = halting, .max_steps = 30, .betas = betas}, row_of(queries_, i));
      EXPECT_NEAR(result.steps[at], expected.steps, 1) << "query " << i;
      const auto both = static_cast<std::size_t>(std::min(result.steps[at], expected.steps));
      for (std::size_t t = 0; t < both; ++t)
        EXPECT_NEAR(static_cast<double>(result.energy_trace(i, static_cast<Index>(t))), expected.trace[t], 2e-4)
            << "query " << i << " step " << t + 1;
      converged += result.status[at] == Status::converged ? 1 : 0;
    }
  }
  EXPECT_GT(converged, 20) << "too few queries converged to test it";
}

TEST_F(ScheduleTest, ACallsBetaIsThatOfAMemoryMadeWithIt) {
  std::size_t turn = 0;
  for (const Kind& kind : kinds()) {
    Kind other = kind;
    for (const float factor : {0.02F, 0.7F, 3.0F, 50.0F}) {
      if (test_device_is_slow() && turn++ % 3 != 0) continue;
      other.options.beta = factor * kind.options.beta;
      const std::vector<float> betas = {other.options.beta};
      const RelaxerOptions options{
          .update = readout_update(), .halting = fixed_steps(), .max_steps = 1, .energies = true};
      const Memory made = make_memory(patterns_, other);

      const Relaxation result = Relaxer(make_memory(patterns_, kind), options).relax(queries_, {.betas = betas});

      const Relaxation expected = Relaxer(made, options).relax(queries_);
      for (Index i = 0; i < queries_.rows(); ++i) {
        const double bound =
            2.0 * rounding_bound({made, model_of(patterns_, other, other.options.beta)}, to_double(row_of(queries_, i)))
                      .field[0] +
            2e-5 * std::max(1.0F, factor);
        for (Index k = 0; k < dimension; ++k)
          EXPECT_NEAR(result.states(i, k), expected.states(i, k), bound) << made.rule() << " query " << i;
        const auto at = static_cast<std::size_t>(i);
        EXPECT_NEAR(result.energies[at], expected.energies[at], 2.0 * bound * 10.0 + 1e-5 / other.options.beta)
            << made.rule() << " query " << i;
      }
    }
  }
}

TEST_F(ScheduleTest, TheMemorysOwnBetaChangesNoBits) {
  const Matrix<float> log_prior = random_gaussian(1, pattern_count, rng_);
  std::vector<Update> updates = {readout_update(), sign_update(), blend_update(0.4F)};
  for (const Kind& kind : kinds()) {
    std::rotate(updates.begin(), updates.begin() + 1, updates.end());
    for (const Update& update : std::span(updates).first(test_device_is_slow() ? 1 : 3)) {
      const Memory memory = make_memory(patterns_, kind);
      const std::vector<float> own = {kind.options.beta};
      const Relaxer relaxer(memory,
                            {.update = update, .max_steps = test_device_is_slow() ? 5 : 12, .energy_trace = true});
      EXPECT_TRUE(same_results(relaxer.relax(queries_, {.betas = own}), relaxer.relax(queries_))) << memory.rule();
      EXPECT_TRUE(same_results(relaxer.relax(queries_, {.log_prior = log_prior, .betas = own}),
                               relaxer.relax(queries_, {.log_prior = log_prior})))
          << memory.rule();
    }
  }
}

TEST_F(ScheduleTest, BitsDependOnTheQueryAlone) {
  std::vector<Index> order = random_permutation(queries_.rows(), rng_);
  const Index some_count = queries_.rows() / 2 + 2;
  order.resize(static_cast<std::size_t>(some_count));
  const Matrix<float> some_queries = select(queries_, order);
  std::size_t apart = 0;
  for (const Kind& kind : kinds()) {
    const Memory memory = make_memory(patterns_, kind);
    const std::vector<float> betas = schedule_for(kind);
    const auto relax = [&](MatrixView<const float> queries, int threads) {
      return Relaxer(memory, {.update = blend_update(0.5F),
                              .halting = energy_stable({.absolute = 2e-3F / betas.back(), .relative = 0.0F}),
                              .max_steps = 15,
                              .energy_trace = true,
                              .threads = threads})
          .relax(queries, {.betas = betas});
    };
    const Relaxation all = relax(queries_, 1);

    const Relaxation some = relax(some_queries, 2);

    for (Index i = 0; i < some_count; ++i)
      EXPECT_TRUE(same_row(some, i, all, order[static_cast<std::size_t>(i)])) << memory.rule() << " row " << i;
    EXPECT_TRUE(same_row(relax(queries_.view().slice(3, 1), 1), 0, all, 3)) << memory.rule();
    const auto [least, most] = std::minmax_element(all.steps.begin(), all.steps.end());
    apart += *least < *most ? 1U : 0U;
  }
  EXPECT_GT(2 * apart, kinds().size()) << "too few queries are at different steps to test it";
}

TEST_F(ScheduleTest, HaltingReturnsWhatAsManyStepsReturn) {
  const int most = test_device_is_slow() ? 7 : 9;
  for (const Kind& kind : kinds()) {
    const Memory memory = make_memory(patterns_, kind);
    const std::vector<float> betas = schedule_for(kind);
    const auto relax = [&](const Halting& halting, int steps) {
      return Relaxer(memory, {.update = blend_update(0.5F), .halting = halting, .max_steps = steps, .energies = true})
          .relax(queries_, {.betas = betas});
    };
    std::vector<Relaxation> fixed(5);  // None halts before the schedule ends.
    for (int t = 5; t <= most; ++t) fixed.push_back(relax(fixed_steps(), t));
    for (const Halting& rule :
         {energy_stable({.absolute = 0.05F / betas.back(), .relative = 0.0F, .patience = 2}), state_stable(0.2F)}) {
      const Relaxation halted = relax(rule, most);
      for (Index i = 0; i < queries_.rows(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        ASSERT_GE(halted.steps[at], 5);
        const Relaxation& same_steps = fixed[static_cast<std::size_t>(halted.steps[at])];
        EXPECT_TRUE(same_bits(row_of(halted.states, i), row_of(same_steps.states, i))) << memory.rule();
        EXPECT_TRUE(same_bits(row_of(halted.contents, i), row_of(same_steps.contents, i))) << memory.rule();
        EXPECT_EQ(halted.energies[at], same_steps.energies[at]) << memory.rule();
      }
    }
  }
}

TEST_F(ScheduleTest, NoQueryConvergesBeforeTheScheduleHasEnded) {
  const Memory memory = Memory::modern_hopfield(test_device(), patterns_, {.beta = 0.3F});
  const auto steps = [&](const Halting& halting, std::size_t values, int max_steps = 20) {
    const std::vector<float> betas(values, 0.3F);
    const Relaxation result =
        Relaxer(memory, {.halting = halting, .max_steps = max_steps}).relax(queries_, {.betas = betas});
    EXPECT_EQ(std::count(result.steps.begin(), result.steps.end(), result.steps.front()), queries_.rows());
    const bool ran_out = result.steps.front() == max_steps && static_cast<int>(values) > max_steps;
    EXPECT_EQ(result.status.front(), ran_out ? Status::max_steps : Status::converged);
    return result.steps.front();
  };
  // Any change is small enough.
  for (const int patience : {1, 3}) {
    const Halting energy = energy_stable({.absolute = 1e6F, .relative = 0.0F, .patience = patience});
    const Halting state = state_stable(1e6F, patience);
    EXPECT_EQ(steps(energy, 1), 1 + patience);
    EXPECT_EQ(steps(energy, 2), 1 + patience);
    EXPECT_EQ(steps(energy, 3), 2 + patience);
    EXPECT_EQ(steps(energy, 9), 8 + patience);
    EXPECT_EQ(steps(state, 1), std::max(2, patience));
    EXPECT_EQ(steps(state, 2), 1 + patience);
    EXPECT_EQ(steps(state, 9), 8 + patience);
  }
  EXPECT_EQ(steps(energy_stable({.absolute = 1e6F}), 8, 7), 7);
  EXPECT_EQ(steps(energy_stable({.absolute = 1e6F}), 500, 7), 7);
}

/// Two steps at different temperatures that lead back are no cycle.
TEST(EndJudgeTest, CyclesAreOfStepsThatAreAlike) {
  const detail::EndRule rule{.halting = state_stable(0.0F), .max_steps = 9, .watches_cycles = true, .first_step = 3};
  const detail::StepOutcome back{.squared_change = 4.0, .returned = true};
  detail::EndJudge judge;
  for (int t = 1; t <= 3; ++t) EXPECT_FALSE(judge.state_ends(rule, t, back)) << t;
  EXPECT_TRUE(judge.state_ends(rule, 4, back));
  EXPECT_EQ(judge.status(), Status::oscillating);
}

TEST_F(ScheduleTest, EnergiesNeverRiseAtOneTemperature) {
  const int steps = test_device_is_slow() ? 5 : 10;
  for (const Kind& kind : all_kinds(pattern_count)) {
    const Similarity similarity = kind.options.similarity;
    if (kind.exponential || (similarity != Similarity::dot && similarity != Similarity::squared_distance)) continue;
    for (const float beta : {0.05F, 0.2F, 1.5F})
      for (const Update& update : {readout_update(), blend_update(0.3F)}) {
        const std::vector<float> betas = {beta};
        const Relaxer relaxer(make_memory(patterns_, kind),
                              {.update = update, .halting = fixed_steps(), .max_steps = steps, .energy_trace = true});

        const Relaxation result = relaxer.relax(queries_, {.betas = betas});

        for (Index i = 0; i < queries_.rows(); ++i)
          for (Index t = 1; t < steps; ++t)
            EXPECT_LE(result.energy_trace(i, t), result.energy_trace(i, t - 1) + 1e-5F / beta + 1e-5F)
                << relaxer.memory().rule() << " beta " << beta << " query " << i << " step " << t;
      }
  }
}

/// Two patterns, which are one where it is hot.
TEST_F(ScheduleTest, TemperaturesDecideWhatPatternsMelt) {
  const Matrix<float> pair = matrix({{1.0F, 0.2F}, {1.0F, -0.2F}});
  const Matrix<float> query = matrix({{1.0F, 0.05F}});
  const Memory memory =
      Memory::modern_hopfield(test_device(), pair, {.beta = 1.0F, .similarity = Similarity::squared_distance});
  const Relaxer relaxer(memory, {.max_steps = 300});
  const std::vector<float> hot = {2.0F};
  const std::vector<float> cold = {400.0F};

  EXPECT_NEAR(relaxer.relax(query, {.betas = hot}).states(0, 1), 0.0F, 1e-2F);
  EXPECT_NEAR(relaxer.relax(query, {.betas = cold}).states(0, 1), 0.2F, 1e-4F);
}

TEST_F(ScheduleTest, DefaultToleranceIsInUnitsOfTheLastTemperature) {
  const Memory memory = Memory::modern_hopfield(test_device(), patterns_, {.beta = 1.0F});
  const std::vector<float> betas = {0.5F, 0.02F};
  const Relaxation expected =
      Relaxer(memory, {.halting = energy_stable({.absolute = 1e-4F / 0.02F, .relative = 0.0F}), .energy_trace = true})
          .relax(queries_, {.betas = betas});

  EXPECT_TRUE(same_results(Relaxer(memory, {.energy_trace = true}).relax(queries_, {.betas = betas}), expected));
  EXPECT_EQ(Relaxer(memory).options().halting->absolute, 1e-4F);
}

/// With the weights of the last energy, whether or not the steps are asked for.
TEST_F(ScheduleTest, ContentsAreReadOutAtTheTemperatureOfTheNextStep) {
  for (const Kind& kind : kinds()) {
    const std::vector<float> betas = schedule_for(kind);
    for (const int steps : {1, 3, 7}) {
      const Relaxer relaxer(make_memory(patterns_, kind),
                            {.update = blend_update(0.5F), .halting = fixed_steps(), .max_steps = steps});
      const Relaxation result = relaxer.relax(queries_, {.betas = betas});
      const auto next = std::min<std::size_t>(static_cast<std::size_t>(steps), betas.size() - 1);
      const reference::SoftmaxModel model = model_of(patterns_, kind, betas[next]);
      const System system{relaxer.memory(), model_of(patterns_, kind, betas[next])};
      for (const Index i : sample_rows(queries_.rows(), 8, rng_)) {
        const Vector state = to_double(row_of(result.states, i));
        const Vector expected = reference::recall(model, contents_, state);
        for (std::size_t k = 0; k < expected.size(); ++k)
          EXPECT_NEAR(static_cast<double>(result.contents(i, static_cast<Index>(k))), expected[k],
                      10.0 * rounding_bound(system, state).weights + 2e-5)
              << relaxer.memory().rule() << " after " << steps;
      }
      Matrix<float> states(queries_.rows(), dimension);
      Matrix<float> contents(queries_.rows(), 5);

      relaxer.relax(queries_, {.states = states, .contents = contents}, {.betas = betas});

      EXPECT_TRUE(same_bits(states.view(), result.states.view()));
      EXPECT_TRUE(same_bits(contents.view(), result.contents.view())) << relaxer.memory().rule();
    }
  }
}

TEST_F(ScheduleTest, ValuesPastTheStepsAreIgnored) {
  const Relaxer relaxer(Memory::modern_hopfield(test_device(), patterns_),
                        {.halting = fixed_steps(), .max_steps = 2, .energy_trace = true});
  const std::vector<float> betas = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F};
  const auto relax = [&](std::size_t count) {
    return relaxer.relax(queries_, {.betas = std::span(betas).first(count)});
  };
  EXPECT_TRUE(same_results(relax(5), relax(3)));
  EXPECT_FALSE(same_results(relax(3), relax(2)));
}

TEST_F(ScheduleTest, RetrievalTakesATemperature) {
  for (const Kind& kind : kinds())
    for (const Index count : {1, 4}) {
      const Memory memory = make_memory(patterns_, kind);
      const float beta = 0.5F * kind.options.beta;
      const reference::SoftmaxModel model = model_of(patterns_, kind, beta);

      const Retrieval found = retrieve(memory, queries_, {.count = count, .beta = beta});

      for (Index i = 0; i < queries_.rows(); ++i) {
        const Vector p = reference::weights(model, to_double(row_of(queries_, i)));
        for (Index r = 0; r < count; ++r) {
          const auto at = static_cast<std::size_t>(i * count + r);
          ASSERT_GE(found.pattern[at], 0) << memory.rule();
          EXPECT_NEAR(static_cast<double>(found.posterior[at]), p[static_cast<std::size_t>(found.pattern[at])], 2e-5)
              << memory.rule() << " query " << i << " rank " << r;
        }
      }
      const Retrieval own = retrieve(memory, queries_, {.count = count});
      const Retrieval same = retrieve(memory, queries_, {.count = count, .beta = kind.options.beta});
      EXPECT_EQ(own.pattern, same.pattern);
      EXPECT_TRUE(same_bits(own.posterior, same.posterior)) << memory.rule();
    }
}

TEST_F(ScheduleTest, BadTemperaturesAreRefused) {
  const auto complaint = [&](const Memory& memory, const std::vector<float>& betas) -> std::string {
    try {
      static_cast<void>(Relaxer(memory).relax(queries_, {.betas = betas}));
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  const Memory memory = Memory::modern_hopfield(test_device(), patterns_, {.beta = 1e-30F});
  EXPECT_EQ(complaint(memory, {1e-30F, 0.0F}), "betas[1] is 0; it must be finite and positive");
  EXPECT_EQ(complaint(memory, {-2.0F}), "betas[0] is -2; it must be finite and positive");
  EXPECT_EQ(complaint(memory, {infinity}), "betas[0] is inf; it must be finite and positive");
  EXPECT_EQ(complaint(memory, {std::nanf("")}), "betas[0] is nan; it must be finite and positive");
  EXPECT_EQ(complaint(memory, {1e30F}),
            "betas[0] is 1e+30, too far from the memory's own beta of 1e-30: their ratio leaves the range of float");
  EXPECT_EQ(complaint(Memory::hebbian(test_device(), patterns_), {1.0F}),
            "a hebbian memory has no temperature; betas of a call are for modern_hopfield and exponential memories");
  const AdaptiveSimilarity similarity{.dot = std::vector<float>(static_cast<std::size_t>(dimension), 1.0F)};
  const Memory adaptive = Memory::adaptive(test_device(), patterns_, similarity);
  EXPECT_EQ(complaint(adaptive, {1.0F}),
            "the rank weights of an adaptive memory include its inverse temperature, which betas of a call can't "
            "replace");
  EXPECT_THROW(static_cast<void>(retrieve(adaptive, queries_, {.beta = 1.0F})), NotSupported);
  EXPECT_THROW(static_cast<void>(retrieve(memory, queries_, {.beta = -1.0F})), InvalidArgument);
  EXPECT_EQ(complaint(adaptive, {}), "none");
}

/// They are read while results are written.
TEST_F(ScheduleTest, ResultsMustNotOverlapThem) {
  const Relaxer relaxer(Memory::modern_hopfield(test_device(), patterns_));
  Matrix<float> states(queries_.rows(), dimension);
  std::vector<float> energies(static_cast<std::size_t>(queries_.rows()), 1.0F);
  EXPECT_THROW(relaxer.relax(queries_, {.states = states, .energies = energies}, {.betas = energies}), InvalidArgument);
}

}  // namespace
}  // namespace attractor::test
