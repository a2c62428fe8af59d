"""Arrays in and out: types, layouts, libraries, and what isn't copied."""

import array

import attractor
import numpy as np
import pytest
from conftest import floats, signs


@pytest.fixture
def relaxer(rng):
    return attractor.Relaxer(attractor.Memory.hebbian(signs(rng, 5, 24)), update=attractor.tanh_update())


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16,
                                   np.uint32, np.uint64, np.bool_])
def test_types_are_converted(rng, relaxer, dtype):
    queries = (3 * rng.standard_normal((7, 24))).astype(dtype) if dtype != np.uint8 else signs(rng, 7, 24).astype(dtype)
    expected = relaxer.relax(queries.astype(np.float32)).states
    np.testing.assert_array_equal(relaxer.relax(queries).states, expected)


def test_every_float16_is_converted_exactly():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)][None]
    memory = attractor.Memory.exponential(halves)
    np.testing.assert_array_equal(memory.patterns, halves.astype(np.float32))


def test_float64_is_rounded_to_the_nearest(rng):
    values = np.array([[1 + 2.0**-24 + 2.0**-40, 1 + 2.0**-25, 0.1]])
    np.testing.assert_array_equal(attractor.Memory.exponential(values).patterns, values.astype(np.float32))
    with pytest.raises(attractor.InvalidArgument, match="patterns must be finite; row 0, column 1 is inf"):
        attractor.Memory.exponential(np.array([[1.0, 1e300]]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", [
    lambda a: np.asfortranarray(a),
    lambda a: np.ascontiguousarray(a[::-1])[::-1],
    lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    lambda a: np.hstack([a, a])[:, :24],
    lambda a: np.repeat(a, 2, axis=0)[::2],
    lambda a: np.repeat(a, 2, axis=1)[:, ::2],
])
def test_any_layout(rng, relaxer, layout, dtype):
    queries = floats(rng, 7, 24).astype(dtype)
    laid_out = layout(queries)
    np.testing.assert_array_equal(laid_out, queries)
    np.testing.assert_array_equal(relaxer.relax(laid_out).states, relaxer.relax(queries).states)


def test_rows_that_overlap_or_repeat(rng, relaxer):
    row = floats(rng, 30)
    for queries in (np.broadcast_to(row[:24], (6, 24)), np.lib.stride_tricks.sliding_window_view(row, 24)):
        np.testing.assert_array_equal(relaxer.relax(queries).states, relaxer.relax(queries.copy()).states)


def test_read_only_arrays(rng, relaxer):
    queries = floats(rng, 7, 24)
    expected = relaxer.relax(queries).states
    queries.flags.writeable = False
    np.testing.assert_array_equal(relaxer.relax(queries).states, expected)


def test_buffers_without_an_array_library(rng, relaxer):
    queries = floats(rng, 3, 24)
    view = memoryview(array.array("f", queries.ravel())).cast("B").cast("f", (3, 24))
    np.testing.assert_array_equal(relaxer.relax(view).states, relaxer.relax(queries).states)


def test_queries_are_read_where_they_are(rng, relaxer):
    """A call that waits between two chunks of queries reads what has been written to them meanwhile."""
    batch = 1000
    for dtype, is_read_in_place in ((np.float32, True), (np.float64, False)):
        queries = np.zeros((batch, 24), dtype)
        mark = signs(rng, 24)

        def write(finished, total):
            queries[-1] = mark  # The last row, which waits for its turn.

        one = attractor.Relaxer(relaxer.memory, update=attractor.tanh_update(), threads=1)
        states = one.relax(queries, progress=write).states
        expected = one.relax(mark[None] if is_read_in_place else np.zeros((1, 24))).states[0]
        np.testing.assert_array_equal(states[-1], expected)


def test_results_own_their_memory(rng, relaxer):
    result = relaxer.relax(floats(rng, 50, 24))
    states = result.states
    kept = states.copy()
    del result
    relaxer.relax(floats(rng, 50, 24))
    np.testing.assert_array_equal(states, kept)
    states[0] = 5.0  # Its own, so it can be written.
    assert (states[0] == 5.0).all()
    assert not states.flags.owndata


@pytest.mark.parametrize("wrong, message", [
    (lambda q: q.astype(np.complex64), "queries have elements of complex64; they must be real numbers or bool"),
    (lambda q: q.tolist(), "queries must be an array .* they are a list"),
    (lambda q: None, "."),
    (lambda q: "text", "queries must be an array .* they are a str"),
])
def test_no_arrays_of_numbers(rng, relaxer, wrong, message):
    with pytest.raises(TypeError, match=message):
        relaxer.relax(wrong(floats(rng, 7, 24)))


@pytest.mark.parametrize("wrong, message", [
    (lambda q: q[0], r"queries have the shape \(24,\); they must have 2 dimensions"),
    (lambda q: q[None], r"queries have the shape \(1, 7, 24\); they must have 2 dimensions"),
    (lambda q: q[:, :23], "queries have 23 columns, the memory's dimension is 24"),
    (lambda q: q[:, :0], r"queries have the shape \[7, 0\]; columns must be positive"),
])
def test_wrong_shapes(rng, relaxer, wrong, message):
    with pytest.raises(ValueError, match=message) as caught:
        relaxer.relax(wrong(floats(rng, 7, 24)))
    assert caught.type is attractor.InvalidArgument


def test_marks_are_no_fractions(rng, relaxer):
    with pytest.raises(TypeError, match="clamped neurons have elements of float32; they must be bool or integers"):
        relaxer.relax(floats(rng, 7, 24), clamped=floats(rng, 7, 24))


def test_indices_are_integers(rng):
    memory = attractor.Memory.hebbian(signs(rng, 5, 24))
    for wrong in (np.array([0.0]), np.array([True]), [0.5], "0", 3):
        with pytest.raises(TypeError):
            memory.forget(wrong)
    memory.forget(np.array([1, 2], np.uint8))
    assert len(memory) == 3


def test_vectors_are_arrays_or_sequences(rng):
    patterns, thresholds = signs(rng, 2, 4), floats(rng, 4)
    queries = floats(rng, 3, 4)
    results = [attractor.Relaxer(attractor.Memory.hebbian(patterns, thresholds=values)).relax(queries).states
               for values in (thresholds, thresholds.tolist(), tuple(thresholds), thresholds.astype(np.float64))]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
    for wrong in (thresholds[None], "abcd", ["a"] * 4, 3):
        with pytest.raises((TypeError, ValueError)):
            attractor.Memory.hebbian(patterns, thresholds=wrong)


def test_bipolar_and_binary(rng):
    binary = rng.random((5, 9)) < 0.5
    bipolar = attractor.to_bipolar(binary)
    np.testing.assert_array_equal(bipolar, np.where(binary, 1, -1))
    np.testing.assert_array_equal(attractor.to_binary(bipolar), binary)
    with pytest.raises(attractor.InvalidArgument):
        attractor.to_bipolar(floats(rng, 2, 2))
