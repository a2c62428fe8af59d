"""Relaxers: halting, options of a call, and the two promises."""

import attractor
import numpy as np
import pytest
from attractor import Status
from conftest import floats, signs, softmax


def noisy(rng, patterns, batch, share=0.15):
    origins = rng.integers(len(patterns), size=batch)
    flips = rng.random((batch, patterns.shape[1])) < share
    return origins, np.where(flips, -patterns[origins], patterns[origins]).astype(np.float32)


def test_queries_come_to_the_patterns_that_they_are_of(rng):
    patterns = signs(rng, 8, 128)
    origins, queries = noisy(rng, patterns, 500)
    memory = attractor.Memory.hebbian(patterns)
    result = attractor.Relaxer(memory, energies=True).relax(queries)
    assert result.states.shape == (500, 128) and result.states.dtype == np.float32
    assert result.steps.dtype == np.int32 and result.steps.shape == (500,)
    assert result.energy_trace is None and result.contents is None
    recovered = (result.states == patterns[origins]).all(axis=1)
    assert recovered.mean() > 0.99
    settled = result.status == Status.converged
    assert settled.mean() > 0.99
    weights = patterns.T @ patterns / 128 * (1 - np.eye(128))
    np.testing.assert_array_equal(np.sign(result.states @ weights)[settled], result.states[settled])
    np.testing.assert_allclose(
        result.energies, -0.5 * np.einsum("bi,ij,bj->b", result.states, weights, result.states), rtol=1e-5)
    found = attractor.nearest(memory, result.states)
    np.testing.assert_array_equal(found.pattern[recovered, 0], origins[recovered])
    np.testing.assert_allclose(found.overlap[recovered], 1.0, rtol=1e-6)


def halting_step(energies, relative, patience):
    """The step t at which a query with the energies E_1, E_2, … halts, in double precision."""
    calm = 0
    for t in range(2, len(energies) + 1):
        change = abs(energies[t - 1] - energies[t - 2])
        calm = calm + 1 if change <= relative * abs(energies[t - 1]) else 0
        if calm >= patience:
            return t
    return len(energies)


@pytest.mark.parametrize("patience", [1, 3])
def test_each_query_halts_by_its_own_energy(rng, patience):
    patterns = signs(rng, 6, 64)
    _, queries = noisy(rng, patterns, 40, 0.3)
    memory = attractor.Memory.hebbian(patterns)
    halting = attractor.energy_stable(relative=1e-3, patience=patience)
    relaxer = attractor.Relaxer(
        memory, update=attractor.tanh_update(0.5), halting=halting, max_steps=60, energy_trace=True)
    result = relaxer.relax(queries)
    weights = patterns.T.astype(np.float64) @ patterns / 64 * (1 - np.eye(64))
    assert len(set(result.steps.tolist())) > 2
    for query, steps, trace, state in zip(queries, result.steps, result.energy_trace, result.states):
        energies, x = [], query.astype(np.float64)
        for _ in range(60):
            x = np.tanh(x + 0.5 * weights @ x)
            energies.append(-0.5 * x @ weights @ x)
        assert abs(halting_step(energies, 1e-3, patience) - steps) <= 1
        np.testing.assert_allclose(trace[:steps], energies[:steps], rtol=1e-4)
        assert np.isnan(trace[steps:]).all()
        fixed = attractor.Relaxer(
            memory, update=attractor.tanh_update(0.5), halting=attractor.fixed_steps(), max_steps=int(steps))
        np.testing.assert_array_equal(fixed.relax(query[None]).states[0], state)


def test_results_depend_on_neither_batch_nor_threads(rng):
    patterns = floats(rng, 30, 20)
    queries = floats(rng, 70, 20)
    memory = attractor.Memory.modern_hopfield(patterns, beta=0.6)
    results = [attractor.Relaxer(memory, threads=threads).relax(queries) for threads in (1, 2, 3)]
    results.append(attractor.Relaxer(memory).relax(queries[::-1]))
    for one in results[1:3]:
        np.testing.assert_array_equal(results[0].states, one.states)
    np.testing.assert_array_equal(results[0].states, results[3].states[::-1])
    np.testing.assert_array_equal(results[0].steps, results[3].steps[::-1])


def test_statuses(rng):
    patterns = signs(rng, 3, 32)
    memory = attractor.Memory.hebbian(patterns)
    queries = np.vstack([patterns[0], np.full(32, np.nan)]).astype(np.float32)
    result = attractor.Relaxer(memory).relax(queries)
    assert result.status.tolist() == [Status.converged, Status.diverged]
    fixed = attractor.Relaxer(memory, halting=attractor.fixed_steps(), max_steps=4).relax(patterns)
    assert (fixed.status == Status.max_steps).all() and (fixed.steps == 4).all()
    # Two patterns that are told apart by two neurons which take each other's place.
    pair = attractor.Memory.hebbian(np.array([[1.0, -1.0]]))
    cycling = attractor.Relaxer(pair).relax(np.array([[1.0, 1.0]]))
    assert cycling.status[0] == Status.oscillating


def test_clamped_neurons_keep_their_values(rng):
    patterns, queries = signs(rng, 4, 40), floats(rng, 9, 40)
    clamped = rng.random((9, 40)) < 0.3
    for mask in (clamped, clamped.astype(np.int64) * 256, clamped.astype(np.uint8) * 7, np.asfortranarray(clamped)):
        states = attractor.Relaxer(attractor.Memory.hebbian(patterns)).relax(queries, clamped=mask).states
        np.testing.assert_array_equal(states[clamped], queries[clamped])
        assert (np.abs(states[~clamped]) == 1).all()


def test_masks_priors_and_temperatures_of_a_call(rng):
    patterns, queries = floats(rng, 6, 10), floats(rng, 8, 10)
    memory = attractor.Memory.modern_hopfield(patterns, beta=1.0)
    relaxer = attractor.Relaxer(memory, halting=attractor.fixed_steps(), max_steps=2)
    valid = rng.random((8, 6)) < 0.6
    valid[:, 2] = True
    prior = floats(rng, 1, 6)
    state = queries.astype(np.float64)
    for beta in (0.5, 2.0):
        scores = np.where(valid, beta * state @ patterns.T + prior, -np.inf)
        state = softmax(scores) @ patterns
    result = relaxer.relax(queries, valid_patterns=valid, log_prior=prior, betas=[0.5, 2.0])
    np.testing.assert_allclose(result.states, state, rtol=1e-4, atol=1e-5)
    weights = softmax(np.where(valid, 0.5 * queries.astype(np.float64) @ patterns.T + prior, -np.inf))
    found = attractor.retrieve(memory, queries, count=2, valid_patterns=valid, log_prior=prior, beta=0.5)
    np.testing.assert_allclose(found.posterior, -np.sort(-weights, axis=1)[:, :2], rtol=1e-4, atol=1e-5)
    assert attractor.retrieve(memory, queries, posteriors=False).posterior is None


def test_no_queries(rng):
    memory = attractor.Memory.hebbian(signs(rng, 3, 10))
    result = attractor.Relaxer(memory).relax(np.zeros((0, 10), np.float32))
    assert result.states.shape == (0, 10) and result.status.shape == (0,)


def test_results_go_into_the_callers_arrays(rng):
    patterns, contents, queries = floats(rng, 6, 10), floats(rng, 6, 2), floats(rng, 8, 10)
    relaxer = attractor.Relaxer(attractor.Memory.modern_hopfield(patterns, contents=contents), energy_trace=True,
                                max_steps=9)
    expected = relaxer.relax(queries)
    wide = np.zeros((8, 14), np.float32)
    out = dict(states=wide[:, 2:12], steps=np.zeros(8, np.int32), energies=np.zeros(8, np.float32),
               status=np.full(8, 9, np.uint8), energy_trace=np.zeros((8, 9), np.float32),
               contents=np.zeros((8, 2), np.float32))
    assert relaxer.relax_into(queries, **out) is None
    for name, array in out.items():
        np.testing.assert_array_equal(array, getattr(expected, name))
    assert (wide[:, :2] == 0).all() and (wide[:, 12:] == 0).all()
    only = np.zeros((8, 10), np.float32)
    relaxer.relax_into(queries, only)
    np.testing.assert_array_equal(only, expected.states)
    read_only = only.copy()
    read_only.flags.writeable = False
    for wrong, error, message in (
            (only[:7], ValueError, r"states have the shape \[7, 10\], the queries \[8, 10\]"),
            (only[0], ValueError, r"states have the shape \(10,\); they must have 2 dimensions"),
            (np.asfortranarray(only), ValueError, "states must have rows that are contiguous"),
            (only.astype(np.float64), TypeError, "states have elements of float64; they are written as float32"),
            (read_only, TypeError, "states must be an array that can be written")):
        with pytest.raises(error, match=message):
            relaxer.relax_into(queries, wrong)
    with pytest.raises(TypeError, match="steps have elements of int64; they are written as int32"):
        relaxer.relax_into(queries, only, steps=np.zeros(8, np.int64))
    # States may take the queries' place, a row for a row, but not lie across others'.
    shared = np.concatenate([queries, queries])
    with pytest.raises(ValueError, match="the states overlap the queries"):
        relaxer.relax_into(shared[:8], shared[1:9])
    relaxer.relax_into(shared[:8], shared[:8])
    np.testing.assert_array_equal(shared[:8], expected.states)


@pytest.mark.parametrize("seed", [None, 3])
def test_asynchronous_updates_end_in_fixed_points(rng, seed):
    patterns, queries = signs(rng, 9, 40), signs(rng, 30, 40)
    memory = attractor.Memory.hebbian(patterns)
    result = attractor.Relaxer(memory, update=attractor.asynchronous_sign_update(seed)).relax(queries)
    assert (result.status == Status.converged).all()
    fields = result.states @ (patterns.T @ patterns / 40 * (1 - np.eye(40)))
    assert (fields * result.states >= -1e-6).all()


def test_a_relaxer_tells_its_options(rng):
    memory = attractor.Memory.hebbian(signs(rng, 3, 10))
    relaxer = attractor.Relaxer(memory, max_steps=7, threads=2)
    assert (relaxer.max_steps, relaxer.threads, relaxer.energies) == (7, 2, False)
    assert repr(relaxer.update) == "sign_update(at_zero='keep')"
    assert repr(relaxer.halting) == "state_stable(tolerance=0, patience=1)"
    assert relaxer.devices == [memory.device]
    assert "max_steps=7" in repr(relaxer)
    assert repr(attractor.energy_stable(absolute=0.5)) == "energy_stable(absolute=0.5, relative=1e-04, patience=1)"
    assert repr(attractor.entmax(1.25)) == "entmax(alpha=1.25)"
    assert repr(attractor.softmax()) == "softmax()"


def test_heads_are_attention(rng):
    keys, values, queries = floats(rng, 11, 8), floats(rng, 11, 6), floats(rng, 5, 8)
    heads = attractor.Heads.modern_hopfield(keys, [0.5, 0.5], contents=values, halting=attractor.fixed_steps(),
                                            max_steps=1)
    assert (len(heads), heads.dimension, heads.content_columns) == (2, 8, 6)
    result = heads.relax(queries)
    for h, (columns, outputs) in enumerate(((slice(0, 4), slice(0, 3)), (slice(4, 8), slice(3, 6)))):
        alone = attractor.Memory.modern_hopfield(keys[:, columns], beta=0.5, contents=values[:, outputs])
        relaxer = attractor.Relaxer(alone, halting=attractor.fixed_steps(), max_steps=1)
        expected = relaxer.relax(np.ascontiguousarray(queries[:, columns]))
        np.testing.assert_array_equal(result.states[:, columns], expected.states)
        np.testing.assert_array_equal(result.contents[:, outputs], expected.contents)
        np.testing.assert_array_equal(result.steps[h], expected.steps)
        np.testing.assert_array_equal(result.status[h], expected.status)
    again = attractor.Heads(heads.relaxers).relax(queries)
    np.testing.assert_array_equal(again.states, result.states)


def test_heads_store_contents_in_16_bits(rng):
    keys, values, queries = floats(rng, 11, 8), floats(rng, 11, 6), floats(rng, 5, 8)
    exact = values.astype(np.float16).astype(np.float32)
    heads = attractor.Heads.modern_hopfield(keys, [0.5, 0.5], contents=values, content_storage="float16")
    expected = attractor.Heads.modern_hopfield(keys, [0.5, 0.5], contents=exact)
    np.testing.assert_array_equal(heads.relax(queries).contents, expected.relax(queries).contents)
    for relaxer in heads.relaxers:
        assert "content_storage = float16" in relaxer.memory.rule
