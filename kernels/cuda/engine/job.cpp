#include "kernels/cuda/engine/job.hpp"

#include <tuple>

namespace attractor::cuda {
namespace {

struct ToRule {
  UpdateRule operator()(const TanhUpdate& update) const { return {UpdateRule::Kind::tanh, update.gain}; }
  UpdateRule operator()(const SignUpdate& update) const {
    return {.kind = UpdateRule::Kind::sign, .at_zero = update.at_zero};
  }
  UpdateRule operator()(const AsynchronousSignUpdate& update) const {
    return {.kind = UpdateRule::Kind::asynchronous_sign, .at_zero = update.at_zero, .seed = update.seed};
  }
  UpdateRule operator()(const ReadoutUpdate& /*update*/) const { return {UpdateRule::Kind::readout, 0.0F}; }
  UpdateRule operator()(const BlendUpdate& update) const { return {UpdateRule::Kind::blend, update.rate}; }
};

template <class T>
MatrixView<T> slice_of(MatrixView<T> matrix, Index first, Index count) {
  return matrix.data == nullptr ? matrix : matrix.slice(first, count);
}

template <class T>
T* slice_of(T* vector, Index first) {
  return vector == nullptr ? nullptr : vector + first;
}

template <class T>
auto parts(MatrixView<T> matrix) {
  return std::tuple(matrix.data, matrix.rows, matrix.columns, matrix.row_stride);
}

auto parts(const Halting& halting) {
  return std::tuple(halting.watch, halting.absolute, halting.relative, halting.patience);
}

auto parts(const Job& job) {
  return std::tuple(parts(job.queries), parts(job.clamped), parts(job.patterns.valid), parts(job.patterns.log_prior),
                    job.schedule.betas, job.schedule.count, parts(job.states), job.steps, job.energies, job.status,
                    parts(job.energy_trace), parts(job.halting), job.update, job.max_steps, job.wants_energy,
                    job.products);
}

}  // namespace

bool Job::operator==(const Job& other) const { return parts(*this) == parts(other); }

UpdateRule to_rule(const Update& update) { return std::visit(ToRule{}, update); }

Job Job::slice(Index first, Index count) const {
  Job part = *this;
  part.queries = slice_of(queries, first, count);
  part.clamped = slice_of(clamped, first, count);
  part.patterns = patterns.slice(first, count);
  part.states = slice_of(states, first, count);
  part.packed_queries = packed_queries.from(first);
  part.packed_states = packed_states.from(first);
  part.steps = slice_of(steps, first);
  part.energies = slice_of(energies, first);
  part.status = slice_of(status, first);
  part.energy_trace = slice_of(energy_trace, first, count);
  return part;
}

}  // namespace attractor::cuda
