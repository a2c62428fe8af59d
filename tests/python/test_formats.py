"""Queries and states in other formats than float32: read and written as they are, with the results of floats."""

import attractor
import numpy as np
import pytest
from conftest import floats, signs


def packed(states):
    return np.packbits(states > 0, axis=1)


def unpacked(bits, columns):
    return 2.0 * np.unpackbits(bits, axis=1)[:, :columns] - 1.0


@pytest.fixture
def memory(rng):
    return attractor.Memory.hebbian(signs(rng, 5, 29))


@pytest.fixture
def queries(rng, memory):
    flips = signs(rng, 40, 29) * (rng.random((40, 29)) < 0.2)
    return np.where(flips > 0, -1, 1) * np.repeat(memory.patterns, 8, axis=0)


def in_every_format(queries):
    return [queries.astype(np.float16), queries.astype(np.int8), attractor.Bits(packed(queries), queries.shape[1])]


def test_queries_of_any_format_give_what_floats_give(memory, queries):
    relaxer = attractor.Relaxer(memory)
    hopfield = attractor.Memory.modern_hopfield(memory.patterns)
    for given in in_every_format(queries):
        np.testing.assert_array_equal(relaxer.relax(given).states, relaxer.relax(queries).states)
        np.testing.assert_array_equal(attractor.retrieve(hopfield, given).posterior,
                                      attractor.retrieve(hopfield, queries).posterior)
        np.testing.assert_array_equal(attractor.recall(memory, given).contents,
                                      attractor.recall(memory, queries).contents)
        np.testing.assert_array_equal(attractor.nearest(memory, given).overlap,
                                      attractor.nearest(memory, queries).overlap)


def test_heads_take_bits_where_each_begins_with_a_byte(rng):
    for width, begins in ((8, True), (9, False)):
        heads = attractor.Heads.modern_hopfield(signs(rng, 6, 2 * width), [0.5, 1.0])
        queries = signs(rng, 10, 2 * width)
        bits = attractor.Bits(packed(queries), 2 * width)
        if begins:
            np.testing.assert_array_equal(heads.relax(bits).states, heads.relax(queries).states)
        else:
            with pytest.raises(ValueError, match="a head that starts at column 9"):
                heads.relax(bits)


@pytest.mark.parametrize("dtype", [np.float16, np.int8])
def test_rows_are_read_where_they_are(rng, memory, dtype):
    """A call that waits between two chunks of queries reads what has been written to them meanwhile."""
    queries = np.ones((1000, 29), dtype)
    mark = signs(rng, 29)

    def write(finished, total):
        queries[-1] = mark  # The last row, which waits for its turn.

    one = attractor.Relaxer(memory, update=attractor.tanh_update(), threads=1)
    states = one.relax(queries, progress=write).states
    np.testing.assert_array_equal(states[-1], one.relax(mark[None]).states[0])


def test_states_of_any_format(memory, queries):
    relaxer = attractor.Relaxer(memory)
    expected = relaxer.relax(queries)
    wide = np.full((40, 33), 9, np.int8)
    bits = np.zeros((40, 4), np.uint8)
    halves = np.zeros((40, 29), np.float16)
    steps = np.zeros(40, np.int32)
    relaxer.relax_into(attractor.Bits(packed(queries), 29), attractor.Bits(bits, 29), steps=steps)
    np.testing.assert_array_equal(unpacked(bits, 29), expected.states)
    np.testing.assert_array_equal(steps, expected.steps)
    relaxer.relax_into(queries.astype(np.int8), wide[:, 2:31])
    np.testing.assert_array_equal(wide[:, 2:31], expected.states)
    assert (wide[:, :2] == 9).all() and (wide[:, 31:] == 9).all()
    relaxer.relax_into(queries, halves)
    np.testing.assert_array_equal(halves, expected.states)


def test_contents_are_rounded(rng):
    patterns, contents, queries = signs(rng, 6, 10), floats(rng, 6, 3), floats(rng, 9, 10)
    relaxer = attractor.Relaxer(attractor.Memory.modern_hopfield(patterns, contents=contents))
    expected = relaxer.relax(queries)
    states, halves = np.zeros((9, 10), np.float32), np.zeros((9, 3), np.float16)
    relaxer.relax_into(queries, states, contents=halves)
    np.testing.assert_array_equal(halves, expected.contents.astype(np.float16))


def test_bits_keep_their_array(queries):
    array = packed(queries)
    bits = attractor.Bits(array, 29)
    assert bits.array is array and bits.columns == 29


def test_what_does_not_fit_is_refused(memory, queries):
    relaxer = attractor.Relaxer(memory)
    array = packed(queries)
    for wrong, error, message in (
            (attractor.Bits(array, 33), ValueError, "queries in bits have 4 bytes a row for 33 columns"),
            (attractor.Bits(array, 24), ValueError, "queries in bits have 4 bytes a row for 24 columns"),
            (attractor.Bits(array, 0), ValueError, "queries in bits have 4 bytes a row for 0 columns"),
            (attractor.Bits(array, 30), ValueError, "queries have 30 columns, the memory's dimension is 29"),
            (attractor.Bits(array.astype(np.int8), 29), TypeError, "queries in bits have elements of int8"),
            (attractor.Bits(array[:, ::-1], 29), ValueError, "queries must have rows that are contiguous"),
            (attractor.Bits(array[0], 29), ValueError, "queries have the shape .* they must have 2 dimensions"),
            (attractor.Bits("text", 29), TypeError, "queries must be an array")):
        with pytest.raises(error, match=message):
            relaxer.relax(wrong)
    states = np.zeros((40, 29), np.int8)
    with pytest.raises(ValueError, match="int8 states were given for queries in floats"):
        relaxer.relax_into(queries, states)
    with pytest.raises(TypeError, match="states have elements of uint8; they are written as float32, float16, bfloat16"):
        relaxer.relax_into(queries, states.view(np.uint8))
    array.flags.writeable = False
    with pytest.raises(TypeError, match="states must be an array that can be written"):
        relaxer.relax_into(attractor.Bits(array.copy(), 29), attractor.Bits(array, 29))
