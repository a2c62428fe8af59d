"""PyTorch's tensors in and out."""

import attractor
import numpy as np
import pytest
from conftest import floats, signs

torch = pytest.importorskip("torch", reason="PyTorch isn't installed")


@pytest.fixture
def memory(rng):
    return attractor.Memory.modern_hopfield(floats(rng, 9, 12), contents=floats(rng, 9, 3))


def test_tensors_in_tensors_out(rng, memory):
    queries = floats(rng, 7, 12)
    relaxer = attractor.Relaxer(memory, energy_trace=True)
    expected, result = relaxer.relax(queries), relaxer.relax(torch.from_numpy(queries))
    for name, dtype in (("states", torch.float32), ("steps", torch.int32), ("energies", torch.float32),
                        ("status", torch.uint8), ("energy_trace", torch.float32), ("contents", torch.float32)):
        tensor = getattr(result, name)
        assert isinstance(tensor, torch.Tensor) and tensor.dtype == dtype
        np.testing.assert_array_equal(tensor.numpy(), getattr(expected, name))
    assert bool((result.status == attractor.Status.converged).all())
    found = attractor.retrieve(memory, torch.from_numpy(queries), count=2)
    assert found.pattern.dtype == torch.int64 and found.posterior.shape == (7, 2)
    assert isinstance(attractor.nearest(memory, result.states).overlap, torch.Tensor)
    assert isinstance(attractor.recall(memory, result.states).contents, torch.Tensor)
    assert isinstance(attractor.to_binary(result.states), torch.Tensor)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.int64, torch.bool])
def test_types(rng, memory, dtype):
    queries = torch.from_numpy(3 * floats(rng, 7, 12)).to(dtype)
    relaxer = attractor.Relaxer(memory)
    assert torch.equal(relaxer.relax(queries).states, relaxer.relax(queries.to(torch.float32)).states)


def test_layouts(rng, memory):
    queries = torch.from_numpy(floats(rng, 12, 12))
    relaxer = attractor.Relaxer(memory)
    assert torch.equal(relaxer.relax(queries.T).states, relaxer.relax(queries.T.contiguous()).states)
    assert torch.equal(relaxer.relax(queries[::2]).states, relaxer.relax(queries).states[::2])


def test_queries_are_read_where_they_are(rng, memory):
    queries = torch.zeros(1000, 12)
    mark = torch.from_numpy(floats(rng, 12))
    relaxer = attractor.Relaxer(memory, threads=1)

    def write(finished, total):
        queries[-1] = mark

    assert torch.equal(relaxer.relax(queries, progress=write).states[-1], relaxer.relax(mark[None]).states[0])


def test_tensors_that_require_gradients(rng, memory):
    with pytest.raises(TypeError, match="queries require gradients, which don't pass through"):
        attractor.Relaxer(memory).relax(torch.zeros(2, 12, requires_grad=True))
    parameter = torch.nn.Parameter(torch.zeros(2, 12))
    assert isinstance(attractor.Relaxer(memory).relax(parameter.detach()).states, torch.Tensor)


def test_masks(rng, memory):
    queries, clamped = torch.from_numpy(floats(rng, 7, 12)), torch.from_numpy(rng.random((7, 12)) < 0.5)
    states = attractor.Relaxer(memory).relax(queries, clamped=clamped).states
    assert torch.equal(states[clamped], queries[clamped])


def test_tensors_elsewhere_are_refused(memory):
    with pytest.raises((attractor.NotSupported, TypeError)):
        attractor.Relaxer(memory).relax(torch.zeros(2, 12, device="meta"))


def test_states_of_16_bits_and_bits(rng, memory):
    queries = torch.from_numpy(floats(rng, 7, 12)).to(torch.bfloat16)
    relaxer = attractor.Relaxer(memory)
    states = torch.zeros((7, 12), dtype=torch.bfloat16)
    contents = torch.zeros((7, 3), dtype=torch.float16)
    relaxer.relax_into(queries, states, contents=contents)
    assert torch.equal(states, relaxer.relax(queries).states.to(torch.bfloat16))
    assert torch.equal(contents, attractor.recall(memory, states).contents.to(torch.float16))
    bits = attractor.Bits(torch.from_numpy(np.packbits(signs(rng, 7, 12) > 0, axis=1)), 12)
    assert isinstance(relaxer.relax(bits).states, torch.Tensor)
