"""Retrieval as hopfield-layers calls it, against the published equation."""

import attractor
import numpy as np
import pytest
from attractor.hopfield_layers import Hopfield
from conftest import floats

STATIC = dict(
    normalize_stored_pattern=False, normalize_stored_pattern_affine=False, normalize_state_pattern=False,
    normalize_state_pattern_affine=False, normalize_pattern_projection=False, normalize_pattern_projection_affine=False,
    stored_pattern_as_static=True, state_pattern_as_static=True, pattern_projection_as_static=True,
    disable_out_projection=True)


def associations(stored, state, beta, added=0.0):
    """softmax(β ξ Kᵀ) of every element of the batch, in double precision."""
    scores = beta * np.einsum("nle,nse->nls", state, stored) + added
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    return weights / weights.sum(axis=2, keepdims=True)


def retrieval(stored, state, projection, beta, updates, added=0.0):
    """ξ ← softmax(β ξ Kᵀ) K so many times, then softmax(β ξ Kᵀ) V."""
    stored, state, projection = (array.astype(np.float64) for array in (stored, state, projection))
    for _ in range(updates):
        state = associations(stored, state, beta, added) @ stored
    return associations(stored, state, beta, added) @ projection


@pytest.fixture
def patterns(rng):
    """Stored patterns, state patterns and projections of a batch of 3."""
    return floats(rng, 3, 9, 12), floats(rng, 3, 5, 12), floats(rng, 3, 9, 4)


@pytest.mark.parametrize("updates", [0, 1, 2, 7])
@pytest.mark.parametrize("scaling, beta", [(None, 1.0), (0.25, 0.25), (2.0, 2.0)])
def test_updates_and_scaling(patterns, updates, scaling, beta):
    hopfield = Hopfield(scaling=scaling, update_steps_max=updates, update_steps_eps=1e-30, **STATIC)
    expected = retrieval(*patterns, beta, updates)
    result = hopfield(patterns)
    assert result.shape == (3, 5, 4) and result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=2e-5)
    # Of another number of updates it would differ.
    assert abs(retrieval(*patterns, beta, updates + 1) - expected).max() > 1e-3 or updates == 7


def test_defaults_of_what_is_served(patterns):
    np.testing.assert_allclose(Hopfield(**STATIC)(patterns), retrieval(*patterns, 1.0, 0), atol=1e-5)


def test_one_array_is_all_three(rng):
    data = floats(rng, 2, 6, 8)
    result = Hopfield(scaling=0.3, update_steps_max=1, **STATIC)(data)
    np.testing.assert_allclose(result, retrieval(data, data, data, 0.3, 1), atol=1e-5)


def test_without_limit_queries_come_to_rest(patterns):
    result = Hopfield(scaling=0.5, update_steps_max=None, update_steps_eps=1e-5, **STATIC)(patterns)
    np.testing.assert_allclose(result, retrieval(*patterns, 0.5, 2000), atol=1e-3)


def test_queries_halt_by_their_own_change(patterns):
    """Within so large a tolerance each query takes the two updates that show a change, and no more."""
    result = Hopfield(scaling=0.3, update_steps_max=50, update_steps_eps=100.0, **STATIC)(patterns)
    np.testing.assert_allclose(result, retrieval(*patterns, 0.3, 2), atol=2e-5)
    assert abs(retrieval(*patterns, 0.3, 50) - result).max() > 1e-2


def test_layouts(patterns):
    expected = Hopfield(update_steps_max=1, **STATIC)(patterns)
    second = tuple(np.ascontiguousarray(array.swapaxes(0, 1)) for array in patterns)
    result = Hopfield(update_steps_max=1, batch_first=False, **STATIC)(second)
    assert result.shape == (5, 3, 4)
    np.testing.assert_array_equal(result.swapaxes(0, 1), expected)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-5), (np.float16, 3e-3)])
def test_types_stay(patterns, dtype, tolerance):
    given = tuple(array.astype(dtype) for array in patterns)
    result = Hopfield(update_steps_max=1, **STATIC)(given)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, retrieval(*given, 1.0, 1), atol=tolerance)


def test_stored_patterns_for_the_whole_batch(patterns):
    stored, state, projection = patterns
    result = Hopfield(update_steps_max=1, **STATIC)((stored[:1], state, projection[:1]))
    repeated = (np.repeat(stored[:1], 3, axis=0), state, np.repeat(projection[:1], 3, axis=0))
    np.testing.assert_array_equal(result, Hopfield(update_steps_max=1, **STATIC)(repeated))


@pytest.mark.parametrize("updates", [0, 2])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8])
def test_masks(rng, patterns, updates, dtype):
    hopfield = Hopfield(update_steps_max=updates, update_steps_eps=1e-30, **STATIC)
    padding, shared, own = rng.random((3, 9)) < 0.3, rng.random((5, 9)) < 0.3, rng.random((3, 5, 9)) < 0.3
    padding[:, 0] = shared[:, 0] = own[:, :, 0] = False
    for padded, association in ((padding, None), (None, shared), (None, own), (padding, shared), (padding, own)):
        masked = np.zeros((3, 5, 9), bool)
        if padded is not None:
            masked |= padded[:, None]
        if association is not None:
            masked |= association
        result = hopfield(patterns, None if padded is None else padded.astype(dtype),
                          None if association is None else association.astype(dtype))
        expected = retrieval(*patterns, 1.0, updates, np.where(masked, -np.inf, 0.0))
        np.testing.assert_allclose(result, expected, atol=2e-5)


@pytest.mark.parametrize("updates", [0, 2])
def test_masks_that_are_added(rng, patterns, updates):
    hopfield = Hopfield(update_steps_max=updates, update_steps_eps=1e-30, **STATIC)
    added = floats(rng, 5, 9)
    added[:, 3] = -np.inf
    padding = np.zeros((3, 9), bool)
    padding[1, 4:] = True
    expected = retrieval(*patterns, 1.0, updates, added + np.where(padding, -np.inf, 0.0)[:, None])
    np.testing.assert_allclose(hopfield(patterns, padding, added), expected, atol=2e-5)


@pytest.mark.parametrize("updates", [0, 2])
def test_queries_without_patterns_are_no_numbers(patterns, updates):
    padding = np.zeros((3, 9), bool)
    padding[1] = True
    result = Hopfield(update_steps_max=updates, **STATIC)(patterns, padding)
    assert np.isnan(result[1]).all() and np.isfinite(result[[0, 2]]).all()


@pytest.mark.parametrize("wrong, message", [
    ({}, "must be made with normalize_stored_pattern=False, .*disable_out_projection=True"),
    (dict(STATIC, normalize_state_pattern=True), "must be made with normalize_state_pattern=False$"),
    (dict(STATIC, disable_out_projection=False), "must be made with disable_out_projection=True$"),
    (dict(STATIC, dropout=0.1), "must be made with dropout=0.0$"),
    (dict(STATIC, association_activation="relu"), "must be made with association_activation=None$"),
    (dict(STATIC, num_heads=2), "must be made with num_heads=1 .*Heads"),
])
def test_what_is_learned_is_refused(wrong, message):
    with pytest.raises(attractor.NotSupported, match=message):
        Hopfield(**wrong)


@pytest.mark.parametrize("wrong, message", [
    (dict(scaling=0.0), "scaling is 0.0"),
    (dict(scaling=float("inf")), "scaling is inf"),
    (dict(update_steps_max=-1), "update_steps_max is -1"),
    (dict(update_steps_eps=0.0), "update_steps_eps is 0.0"),
])
def test_wrong_parameters(wrong, message):
    with pytest.raises(attractor.InvalidArgument, match=message):
        Hopfield(**STATIC, **wrong)


def test_unknown_arguments():
    with pytest.raises(TypeError, match="no arguments update_step_max"):
        Hopfield(**STATIC, update_step_max=3)
    Hopfield(12, **STATIC, stored_pattern_size=12, input_bias=False)  # Without meaning there, too.


@pytest.mark.parametrize("change, message", [
    (lambda k, q, v: (k[0], q, v), "must have 3 dimensions"),
    (lambda k, q, v: (k, q[:, :, :11], v), "have the shapes"),
    (lambda k, q, v: (k, q, v[:, :8]), "have the shapes"),
    (lambda k, q, v: (k[:2], q, v[:2]), "a batch of 2 for a batch of 3"),
    (lambda k, q, v: (k[:0], q[:0], v[:0]), "a batch of 0"),
    (lambda k, q, v: (k, q), "the input is 2 arrays"),
])
def test_wrong_shapes(patterns, change, message):
    with pytest.raises(attractor.InvalidArgument, match=message):
        Hopfield(**STATIC)(change(*patterns))


def test_wrong_masks(rng, patterns):
    hopfield = Hopfield(**STATIC)
    with pytest.raises(attractor.InvalidArgument, match=r"stored_pattern_padding_mask has the shape \(9,\)"):
        hopfield(patterns, np.zeros(9, bool))
    with pytest.raises(attractor.InvalidArgument, match=r"association_mask has the shape \(9, 5\)"):
        hopfield(patterns, association_mask=np.zeros((9, 5), bool))
    with pytest.raises(TypeError, match="stored_pattern_padding_mask has elements of float32"):
        hopfield(patterns, floats(rng, 3, 9))


def test_wrong_types(patterns):
    stored, state, projection = patterns
    with pytest.raises(TypeError, match="state patterns have elements of int64"):
        Hopfield(**STATIC)((stored, state.astype(np.int64), projection))
    with pytest.raises(TypeError, match="they are ndarray, list, ndarray"):
        Hopfield(**STATIC)((stored, state.tolist(), projection))


def test_tensors(patterns):
    torch = pytest.importorskip("torch", reason="PyTorch isn't installed")
    hopfield = Hopfield(update_steps_max=1, batch_first=False, **STATIC)
    tensors = tuple(torch.from_numpy(array).transpose(0, 1) for array in patterns)
    padding, added = torch.zeros(3, 9, dtype=torch.bool), torch.zeros(5, 9)
    padding[:, 7:] = True
    added[:, 2] = float("-inf")
    result = hopfield(tensors, padding, added)
    assert isinstance(result, torch.Tensor) and result.shape == (5, 3, 4)
    masked = np.where(padding.numpy(), -np.inf, 0.0)[:, None] + added.numpy()
    np.testing.assert_allclose(result.transpose(0, 1).numpy(), retrieval(*patterns, 1.0, 1, masked), atol=1e-5)
    for dtype in (torch.bfloat16, torch.float64):
        assert hopfield(tuple(tensor.to(dtype) for tensor in tensors)).dtype == dtype
    with pytest.raises(TypeError, match="must all be NumPy arrays or all be PyTorch tensors"):
        hopfield((tensors[0], patterns[1], tensors[2]))


def test_gradients_do_not_pass(patterns):
    torch = pytest.importorskip("torch", reason="PyTorch isn't installed")
    stored, state, projection = (torch.from_numpy(array) for array in patterns)
    hopfield, expected = Hopfield(**STATIC), Hopfield(**STATIC)((stored, state, projection))
    parameter = torch.nn.Parameter(stored)
    with pytest.raises(TypeError, match="patterns require gradients, which don't pass through"):
        hopfield((parameter, state, projection))
    with torch.no_grad():
        assert torch.equal(hopfield((parameter, state, projection)), expected)
