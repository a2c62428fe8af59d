#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <attractor/relaxer.hpp>

#include "host/python/src/bind.hpp"
#include "host/python/src/memory.hpp"
#include "host/python/src/relaxation.hpp"
#include "host/python/src/text.hpp"

namespace attractor::python {
namespace {

using MaybeArray = std::optional<Array>;
using MaybeObject = std::optional<nb::object>;

/// Results as arrays; optional ones are None where the call has none.
struct RelaxationArrays {
  Result states;
  Result steps;
  std::optional<Result> energies = {};
  Result status;
  std::optional<Result> energy_trace = {};
  std::optional<Result> contents = {};
};

RelaxationArrays give_all(Library library, Relaxation&& relaxation, const RelaxerOptions& options,
                          Index content_columns) {
  RelaxationArrays results{.states = give(library, std::move(relaxation.states)),
                           .steps = give(library, std::move(relaxation.steps)),
                           .status = give(library, std::move(relaxation.status))};
  if (options.energies) results.energies = give(library, std::move(relaxation.energies));
  if (options.energy_trace) results.energy_trace = give(library, std::move(relaxation.energy_trace));
  if (content_columns > 0) results.contents = give(library, std::move(relaxation.contents));
  return results;
}

/// Arrays to be written.
struct Room {
  Array states;
  MaybeArray steps = {};
  MaybeArray energies = {};
  MaybeArray status = {};
  MaybeArray energy_trace = {};
  MaybeArray contents = {};
};

/// Room beside queries on a device for all that a call gives; nothing where their library has no arrays to be written.
std::optional<Room> make_room(const Array& queries, Index count, const Relaxer& relaxer) {
  const nb::object make = nb::module_::import_("attractor.room").attr("beside");
  const auto array = [&](const nb::tuple& shape, const char* type) {
    return nb::borrow<Array>(make(queries, shape, type));
  };
  const auto if_wanted = [&](bool wanted, const nb::tuple& shape) {
    return wanted ? MaybeArray(array(shape, "float32")) : MaybeArray();
  };
  Room room{.states = array(nb::make_tuple(count, relaxer.memory().dimension()), "float32")};
  if (room.states.is_none()) return std::nullopt;
  const RelaxerOptions& options = relaxer.options();
  const Index content_columns = relaxer.memory().content_dimension();
  room.steps = array(nb::make_tuple(count), "int32");
  room.energies = if_wanted(options.energies, nb::make_tuple(count));
  room.status = array(nb::make_tuple(count), "uint8");
  room.energy_trace = if_wanted(options.energy_trace, nb::make_tuple(count, options.max_steps));
  room.contents = if_wanted(content_columns > 0, nb::make_tuple(count, content_columns));
  return room;
}

void run_into(RelaxArguments& arguments, const Relaxer& relaxer, const Room& room) {
  const Place place = place_of(relaxer.memory().device());
  const ResultRows state_rows(room.states, "states", place);
  const Buffer<std::int32_t> step_counts(room.steps, "steps", 1, place);
  const Buffer<float> energy_values(room.energies, "energies", 1, place);
  const Buffer<Status> status_values(room.status, "status", 1, place);
  const Buffer<float> trace_rows(room.energy_trace, "energy traces", 2, place);
  const ResultRows content_rows(room.contents, "contents", place);
  const RelaxationView results{.states = state_rows.view(),
                               .steps = step_counts.values(),
                               .energies = energy_values.values(),
                               .status = status_values.values(),
                               .energy_trace = trace_rows.rows(),
                               .contents = content_rows.view()};
  arguments.run([&](const QueryView& rows, const RelaxCall& call) { relaxer.relax(rows, results, call); },
                entries_of_a_step(relaxer.memory()), relaxer.options().max_steps);
}

Result as_result(const Array& array) { return nb::borrow<Result>(array); }

std::optional<Result> as_result(const MaybeArray& array) {
  return array ? std::optional(as_result(*array)) : std::nullopt;
}

RelaxationArrays relax(const Relaxer& relaxer, const Array& queries, const MaybeArray& clamped,
                       const MaybeArray& valid_patterns, const MaybeArray& log_prior, const MaybeObject& betas,
                       nb::handle progress, const std::stop_source* stop) {
  RelaxArguments arguments(relaxer.memory().device(), queries, clamped, valid_patterns, log_prior, betas, progress,
                           stop);
  if (arguments.queries().is_on_device()) {
    if (const std::optional<Room> room = make_room(queries, arguments.queries().view().rows(), relaxer)) {
      run_into(arguments, relaxer, *room);
      return {.states = as_result(room->states),
              .steps = as_result(*room->steps),
              .energies = as_result(room->energies),
              .status = as_result(*room->status),
              .energy_trace = as_result(room->energy_trace),
              .contents = as_result(room->contents)};
    }
  }
  Relaxation relaxation =
      arguments.run([&](const QueryView& rows, const RelaxCall& call) { return relaxer.relax(rows, call); },
                    entries_of_a_step(relaxer.memory()), relaxer.options().max_steps);
  return give_all(arguments.library(), std::move(relaxation), relaxer.options(), relaxer.memory().content_dimension());
}

void relax_into(const Relaxer& relaxer, const Array& queries, const Array& states, const MaybeArray& steps,
                const MaybeArray& energies, const MaybeArray& status, const MaybeArray& energy_trace,
                const MaybeArray& contents, const MaybeArray& clamped, const MaybeArray& valid_patterns,
                const MaybeArray& log_prior, const MaybeObject& betas, nb::handle progress,
                const std::stop_source* stop) {
  RelaxArguments arguments(relaxer.memory().device(), queries, clamped, valid_patterns, log_prior, betas, progress,
                           stop);
  run_into(arguments, relaxer,
           {.states = states,
            .steps = steps,
            .energies = energies,
            .status = status,
            .energy_trace = energy_trace,
            .contents = contents});
}

void make_relaxer(Relaxer* self, const SharedMemory& shared, const AnyUpdate* update, const Halting* halting,
                  int max_steps, bool energies, bool energy_trace, int threads, bool tf32,
                  const std::optional<std::vector<Device>>& devices) {
  const RelaxerOptions options = read_options(update, halting, max_steps, energies, energy_trace, threads, tf32);
  Memory memory = shared.now();
  if (devices)
    new (self) Relaxer(memory, *devices, options);
  else
    new (self) Relaxer(std::move(memory), options);
}

std::string describe(const Relaxer& relaxer) {
  const RelaxerOptions& options = relaxer.options();
  return "<attractor.Relaxer of " + relaxer.memory().rule() + ": update=" + to_text(AnyUpdate{*options.update}) +
         ", halting=" + to_text(*options.halting) + ", max_steps=" + to_text(options.max_steps) + ">";
}

void bind_results(nb::module_& module) {
  nb::class_<RelaxationArrays>(module, "Relaxation",
                               "Results, in the order of the queries, as arrays of their library.")
      .def_ro("states", &RelaxationArrays::states, "float32 [B, D].")
      .def_ro("steps", &RelaxationArrays::steps, "int32 [B], updates applied.")
      .def_ro("energies", &RelaxationArrays::energies,
              "float32 [B], of the returned state; None where none were asked for.")
      .def_ro("status", &RelaxationArrays::status, "uint8 [B], as Status.")
      .def_ro("energy_trace", &RelaxationArrays::energy_trace,
              "float32 [B, max_steps], NaN past a query's last step; None without the option.")
      .def_ro("contents", &RelaxationArrays::contents, "float32 [B, M]; None where the memory is auto-associative.")
      .def("__repr__", [](const RelaxationArrays& results) {
        return "<attractor.Relaxation of " + std::to_string(nb::len(results.steps)) + " queries>";
      });
  nb::class_<std::stop_source>(module, "StopSource", "Ends calls that it is given to, from another thread.")
      .def(nb::init<>())
      .def("request_stop", &std::stop_source::request_stop, "True the first time.")
      .def_prop_ro("stop_requested", &std::stop_source::stop_requested);
}

}  // namespace

RelaxArguments::RelaxArguments(const Device& device, const Array& queries, const MaybeArray& clamped,
                               const MaybeArray& valid_patterns, const MaybeArray& log_prior, const MaybeObject& betas,
                               nb::handle progress, const std::stop_source* stop)
    : library_(library_of(queries)),
      queries_(queries, "queries", device, place_of(device)),
      clamped_(clamped, "clamped neurons", place_of(device)),
      valid_patterns_(valid_patterns, "valid patterns", place_of(device)),
      log_prior_(log_prior, "log-priors", place_of(device)),
      betas_(read_floats(betas, "betas")),
      progress_(progress, "queries"),
      cancellation_(stop),
      call_{.clamped = clamped_.view(),
            .valid_patterns = valid_patterns_.view(),
            .log_prior = log_prior_.view(),
            .betas = betas_,
            .stop = cancellation_.token()} {
  // The library copies functions without the interpreter's lock, so this one holds nothing of Python's.
  if (progress_.is_wanted()) call_.progress = [this](const Progress& now) { progress_(now.finished, now.total); };
}

double entries_of_a_step(const Memory& memory) {
  const Index rows = memory.evaluation() == Evaluation::dense ? memory.dimension() : memory.pattern_count();
  return static_cast<double>(rows) * static_cast<double>(memory.dimension());
}

RelaxerOptions read_options(const AnyUpdate* update, const Halting* halting, int max_steps, bool energies,
                            bool energy_trace, int threads, bool tf32) {
  return {.update = update == nullptr ? std::nullopt : std::optional(update->value),
          .halting = halting == nullptr ? std::nullopt : std::optional(*halting),
          .max_steps = max_steps,
          .energies = energies,
          .energy_trace = energy_trace,
          .threads = threads,
          .tf32 = tf32};
}

void bind_relaxers(nb::module_& module) {
  bind_results(module);
  const RelaxerOptions defaults;
  nb::class_<Relaxer>(
      module, "Relaxer",
      R"(Relaxes queries on a memory, as that is now; later changes have no effect. Threads may share it.

A query's result depends neither on the others of its batch nor on the number of threads, bit for bit, and halting
returns what as many fixed steps return.)")
      .def("__init__", &make_relaxer, nb::arg("memory"), nb::kw_only(), nb::arg("update") = nb::none(),
           nb::arg("halting") = nb::none(), nb::arg("max_steps") = defaults.max_steps,
           nb::arg("energies") = defaults.energies, nb::arg("energy_trace") = defaults.energy_trace,
           nb::arg("threads") = defaults.threads, nb::arg("tf32") = defaults.tf32, nb::arg("devices") = nb::none(),
           R"(update: sign_update() where the literature has states of ±1, readout_update() for modern Hopfield and
    adaptive memories, unless given.
halting: state_stable(0) with signs, else by energy, unless given.
max_steps: at least 1.
energies: of final states, also where halting needs none. energy_trace: of every step.
threads: of the CPU; 0: as many as there are processors.
tf32: CUDA, large linear memories: products of 10 bits of mantissa.
devices: several CUDA devices that share the queries.)")
      .def("relax", &relax, nb::arg("queries"), nb::kw_only(), nb::arg("clamped") = nb::none(),
           nb::arg("valid_patterns") = nb::none(), nb::arg("log_prior") = nb::none(), nb::arg("betas") = nb::none(),
           nb::arg("progress") = nb::none(), nb::arg("stop") = nb::none(),
           R"(Relaxes every row of queries [B, D], without the interpreter's lock; Ctrl-C ends it.

clamped: bool or integers [B, D]; neurons marked are known and keep the query's value.
valid_patterns: bool or integers [1, P] or [B, P]; patterns that take part. log_prior: [1, P] or [B, P], added to
    scores. Both of memories whose weights sum to 1.
betas: inverse temperatures of steps 1, 2, …, of which the last holds for all later ones.
progress: True for a bar, or a function of (finished, total) queries, called about 200 times; what it raises ends the
    call.
stop: a StopSource that ends the call early; what had not begun has the status cancelled, and rows without meaning.)")
      .def(
          "relax_into", &relax_into, nb::arg("queries"), nb::arg("states"), nb::kw_only(),
          nb::arg("steps") = nb::none(), nb::arg("energies") = nb::none(), nb::arg("status") = nb::none(),
          nb::arg("energy_trace") = nb::none(), nb::arg("contents") = nb::none(), nb::arg("clamped") = nb::none(),
          nb::arg("valid_patterns") = nb::none(), nb::arg("log_prior") = nb::none(), nb::arg("betas") = nb::none(),
          nb::arg("progress") = nb::none(), nb::arg("stop") = nb::none(),
          R"(The same into arrays of the caller's, of the types and shapes that Relaxation has: states, and what else is
wanted. Their rows must be contiguous, and nothing may overlap the queries or one another; but states may be
the queries themselves, which are then relaxed in place.

On the CPU states and contents may also be float16 or bfloat16, to which they are rounded, and states under sign updates
int8, of queries in int8 or Bits, or Bits, of queries in these.)")
      .def_prop_ro(
          "memory", [](const Relaxer& self) { return SharedMemory(self.memory()); }, "A copy of its own.")
      .def_prop_ro(
          "devices", [](const Relaxer& self) { return self.devices(); }, "Where queries relax.")
      .def_prop_ro("update", [](const Relaxer& self) { return AnyUpdate{*self.options().update}; })
      .def_prop_ro("halting", [](const Relaxer& self) { return *self.options().halting; })
      .def_prop_ro("max_steps", [](const Relaxer& self) { return self.options().max_steps; })
      .def_prop_ro("energies", [](const Relaxer& self) { return self.options().energies; })
      .def_prop_ro("energy_trace", [](const Relaxer& self) { return self.options().energy_trace; })
      .def_prop_ro("threads", [](const Relaxer& self) { return self.options().threads; })
      .def_prop_ro("tf32", [](const Relaxer& self) { return self.options().tf32; })
      .def("__repr__", describe);
}

}  // namespace attractor::python
