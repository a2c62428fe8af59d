#include "kernels/cuda/job.hpp"

namespace attractor::cuda {
namespace {

struct ToRule {
  UpdateRule operator()(const TanhUpdate& update) const { return {UpdateRule::Kind::tanh, update.gain}; }
  UpdateRule operator()(const SignUpdate& /*update*/) const { return {UpdateRule::Kind::sign, 0.0F}; }
  UpdateRule operator()(const ReadoutUpdate& /*update*/) const { return {UpdateRule::Kind::readout, 0.0F}; }
  UpdateRule operator()(const BlendUpdate& update) const { return {UpdateRule::Kind::blend, update.rate}; }
};

}  // namespace

UpdateRule to_rule(const Update& update) { return std::visit(ToRule{}, update); }

}  // namespace attractor::cuda
