#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "host/src/c/guard.hpp"
#include "host/src/c/tensors.hpp"

namespace attractor::c {
namespace {

[[noreturn]] void fail(const char* name, std::int32_t value) {
  throw InvalidArgument(std::string(name) + " has the value " + std::to_string(value) + ", which has no meaning");
}

AtZero at_zero_of(std::int32_t value) {
  switch (value) {
    case ATTRACTOR_AT_ZERO_KEEP: return AtZero::keep;
    case ATTRACTOR_AT_ZERO_ZERO: return AtZero::zero;
    case ATTRACTOR_AT_ZERO_PLUS: return AtZero::plus;
    default: fail("at_zero", value);
  }
}

std::optional<Update> update_of(const attractor_relaxer_options& options) {
  switch (options.update) {
    case ATTRACTOR_UPDATE_DEFAULT: return std::nullopt;
    case ATTRACTOR_UPDATE_TANH: return tanh_update(options.gain);
    case ATTRACTOR_UPDATE_SIGN: return sign_update(at_zero_of(options.at_zero));
    case ATTRACTOR_UPDATE_ASYNCHRONOUS_SIGN: {
      std::optional<std::uint64_t> seed;
      if (options.has_seed != 0) seed = options.seed;
      return asynchronous_sign_update(seed, at_zero_of(options.at_zero));
    }
    case ATTRACTOR_UPDATE_READOUT: return readout_update();
    case ATTRACTOR_UPDATE_BLEND: return blend_update(options.rate);
    default: fail("update", options.update);
  }
}

std::optional<Halting> halting_of(const attractor_relaxer_options& options) {
  switch (options.halting) {
    case ATTRACTOR_HALTING_DEFAULT: return std::nullopt;
    case ATTRACTOR_HALTING_ENERGY:
      return energy_stable({.absolute = options.absolute, .relative = options.relative, .patience = options.patience});
    case ATTRACTOR_HALTING_STATE: return state_stable(options.absolute, options.patience);
    case ATTRACTOR_HALTING_FIXED: return fixed_steps();
    default: fail("halting", options.halting);
  }
}

attractor_relaxer_options defaults() {
  attractor_relaxer_options result;
  attractor_relaxer_defaults(&result);
  return result;
}

RelaxerOptions options_of(const attractor_relaxer_options* given) {
  const attractor_relaxer_options options =
      given == nullptr ? defaults() : known_members(*given, "options", defaults());
  return {.update = update_of(options),
          .halting = halting_of(options),
          .max_steps = options.max_steps,
          .energies = options.energies != 0,
          .energy_trace = options.energy_trace != 0,
          .threads = options.threads};
}

/// Views of the results. Statuses are bytes here, and the values are those of the enumeration there.
class Results {
 public:
  Results(const attractor_relaxation& given, const Memory& memory) {
    const attractor_relaxation results = known_members(given, "results");
    view_.states = c::results(there(results.states, "states"), memory.dimension(), "states");
    if (results.steps != nullptr) view_.steps = int32_vector(*results.steps, "steps");
    if (results.energies != nullptr) view_.energies = float_vector(*results.energies, "energies");
    if (results.status != nullptr) {
      const std::span<std::uint8_t> bytes = byte_vector(*results.status, "status");
      static_assert(sizeof(Status) == 1);
      view_.status = {static_cast<Status*>(static_cast<void*>(bytes.data())), bytes.size()};
    }
    if (results.energy_trace != nullptr) view_.energy_trace = float_matrix(*results.energy_trace, "energy_trace");
    if (results.contents != nullptr)
      view_.contents = c::results(*results.contents, memory.content_dimension(), "contents");
  }

  [[nodiscard]] const RelaxationView& view() const { return view_; }

 private:
  RelaxationView view_;
};

RelaxCall call_of(const attractor_call* given, std::stop_source& stop) {
  if (given == nullptr) return {};
  const attractor_call call = known_members(*given, "call");
  if (call.beta_count > 0) there(call.betas, "betas");
  RelaxCall result = {.clamped = optional_byte_matrix(call.clamped, "clamped"),
                      .valid_patterns = optional_byte_matrix(call.valid_patterns, "valid_patterns"),
                      .log_prior = optional_float_matrix(call.log_prior, "log_prior"),
                      .betas = {call.betas, call.beta_count}};
  if (call.progress == nullptr) return result;
  result.stop = stop.get_token();
  result.progress = [call, &stop](const Progress& progress) {
    if (call.progress(progress.finished, progress.total, call.context) != 0) stop.request_stop();
  };
  return result;
}

}  // namespace
}  // namespace attractor::c

extern "C" {

using namespace attractor::c;  // NOLINT(google-build-using-namespace): what follows is C, which has none

void attractor_relaxer_defaults(attractor_relaxer_options* options) {
  if (options == nullptr) return;
  *options = {.size = sizeof *options,
              .update = ATTRACTOR_UPDATE_DEFAULT,
              .gain = 0.5F,
              .rate = 0.5F,
              .at_zero = ATTRACTOR_AT_ZERO_KEEP,
              .has_seed = 0,
              .seed = 0,
              .halting = ATTRACTOR_HALTING_DEFAULT,
              .absolute = 0.0F,
              .relative = 1e-4F,
              .patience = 1,
              .max_steps = 100,
              .energies = 0,
              .energy_trace = 0,
              .threads = 0};
}

attractor_result attractor_relaxer_make(const attractor_memory* memory, const attractor_relaxer_options* options,
                                        attractor_relaxer** relaxer) {
  return guarded([&] {
    there(relaxer, "relaxer") = nullptr;
    attractor_relaxer made{attractor::Relaxer(there(memory, "memory").value, options_of(options))};
    *relaxer = std::make_unique<attractor_relaxer>(std::move(made)).release();
  });
}

void attractor_relaxer_free(attractor_relaxer* relaxer) { const std::unique_ptr<attractor_relaxer> own(relaxer); }

attractor_result attractor_relax(const attractor_relaxer* relaxer, const attractor_tensor* queries,
                                 const attractor_relaxation* results, const attractor_call* call) {
  return guarded([&] {
    const attractor::Relaxer& used = there(relaxer, "relaxer").value;
    const attractor::QueryView rows =
        attractor::c::queries(there(queries, "queries"), used.memory().dimension(), "queries");
    const Results places(there(results, "results"), used.memory());
    std::stop_source stop;
    used.relax(rows, places.view(), call_of(call, stop));
  });
}

}  // extern "C"
