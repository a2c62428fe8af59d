"""Footprints, variants and fits."""

import attractor
import numpy as np
import pytest
from conftest import floats, softmax


def test_footprints(rng):
    patterns, queries = floats(rng, 4, 9), floats(rng, 3, 9)
    rows, states = patterns.astype(np.float64), queries.astype(np.float64)
    terms = {"squared_distance": -((rows[None] - states[:, None]) ** 2), "dot": rows[None] * states[:, None]}
    for base, values in terms.items():
        ranked = -np.sort(-values, axis=2).reshape(12, 9)
        actual = attractor.footprint(patterns, queries, base=base, cumulative=False)
        np.testing.assert_allclose(actual, ranked, rtol=1e-6, atol=1e-6)
        sums = attractor.footprint(patterns, queries, base=base)
        np.testing.assert_allclose(sums, np.cumsum(ranked, axis=1), rtol=1e-5, atol=1e-5)
        chosen = attractor.footprint(patterns, queries, base=base, pairs=[(2, 1), (0, 3)])
        np.testing.assert_array_equal(chosen, sums[[2 * 4 + 1, 3]])


def test_ranks(rng):
    assert attractor.rank_count(10) == 10 and attractor.rank_count(10, 4) == 3
    assert [attractor.rank_group(i, 3) for i in range(5)] == [0, 1, 2, 1, 2]
    weights = rng.random(6)
    np.testing.assert_allclose(attractor.rank_weights(weights), np.cumsum(weights[::-1])[::-1], rtol=1e-6)


def test_variants(rng):
    patterns = floats(rng, 4, 50)
    options = attractor.VariantOptions(variant="masked", severity=0.2, mask_value=7.0, seed=3)
    made = attractor.make_variants(patterns, 30, options)
    assert made.queries.shape == (30, 50) and made.origins.shape == (30,)
    changed = made.queries != patterns[made.origins]
    assert (changed.sum(axis=1) == 10).all() and (made.queries[changed] == 7.0).all()
    np.testing.assert_array_equal(attractor.make_variants(patterns, 30, options).queries, made.queries)
    one_each = attractor.vary(patterns, attractor.VariantOptions(variant="biased"))
    np.testing.assert_allclose(np.ptp(one_each - patterns, axis=1), 0, atol=1e-5)
    assert repr(options) == "VariantOptions(variant='masked', severity=0.2, spread=1, mask_value=7, seed=3)"


def loss_of(patterns, similarity, queries, origins):
    distances = -np.sort((patterns[None].astype(np.float64) - queries[:, None]) ** 2, axis=2)
    probabilities = softmax(distances @ similarity.squared_distance.astype(np.float64))
    return -np.log(probabilities[np.arange(len(queries)), origins]).sum()


def test_cross_entropy_and_its_gradient(rng):
    patterns, queries, origins = floats(rng, 5, 8), floats(rng, 7, 8), rng.integers(5, size=7)
    weights = rng.random(8)
    similarity = attractor.AdaptiveSimilarity(squared_distance=weights)
    loss, gradient = attractor.cross_entropy(patterns, similarity, queries, origins, gradient=True)
    assert loss == attractor.cross_entropy(patterns, similarity, queries, origins)
    np.testing.assert_allclose(loss, loss_of(patterns, similarity, queries, origins), rtol=1e-5)
    assert gradient["dot"] is None and gradient["squared_distance"].dtype == np.float64
    for k in range(8):
        moved = []
        for step in (1e-3, -1e-3):
            changed = weights.copy()
            changed[k] += step
            moved.append(loss_of(patterns, attractor.AdaptiveSimilarity(squared_distance=changed), queries, origins))
        np.testing.assert_allclose(gradient["squared_distance"][k], (moved[0] - moved[1]) / 2e-3, rtol=1e-2, atol=1e-3)


def test_fits_find_more_patterns_than_distances_do(rng):
    patterns = floats(rng, 60, 40)
    corruption = attractor.VariantOptions(variant="masked", severity=0.6, spread=3.0)
    seen = []
    fit = attractor.fit_similarity(patterns, corruption, 400, epochs=30, progress=seen.append)
    assert [now.epoch for now in seen] == [now.epoch for now in fit.history] and seen[0].loss > seen[-1].loss
    test = attractor.make_variants(patterns, 400, attractor.VariantOptions(
        variant="masked", severity=0.6, spread=3.0, seed=9))
    adaptive = attractor.Memory.adaptive(patterns, fit.similarity)
    plain = attractor.Memory.modern_hopfield(patterns, similarity="squared_distance")
    found = [(attractor.retrieve(memory, test.queries).pattern[:, 0] == test.origins).mean()
             for memory in (adaptive, plain)]
    assert found[0] > found[1] + 0.1


def test_a_fit_to_pairs_is_that_to_the_variants_that_they_are(rng):
    patterns, corruption = floats(rng, 20, 12), attractor.VariantOptions(severity=0.3)
    made = attractor.make_variants(patterns, 100, corruption)
    to_pairs = attractor.fit_similarity(patterns, made.queries, made.origins, epochs=5, log_prior=True)
    to_variants = attractor.fit_similarity(patterns, corruption, 100, epochs=5, log_prior=True)
    np.testing.assert_array_equal(to_pairs.similarity.dot, to_variants.similarity.dot)
    assert to_pairs.similarity.dot.shape == (12,) and to_pairs.similarity.log_prior.shape == (20,)
    each = attractor.fit_similarity(patterns, made.queries, made.origins, epochs=2, per_pattern=True, groups=3)
    assert each.similarity.dot.shape == (20, 4) and each.similarity.groups == 3
    assert attractor.cross_entropy(patterns, each.similarity, made.queries, made.origins) > 0


def test_a_fit_that_is_stopped_gives_the_best_so_far(rng):
    stop = attractor.StopSource()

    def end(now):
        if now.epoch == 2:
            stop.request_stop()

    fit = attractor.fit_similarity(floats(rng, 20, 12), attractor.VariantOptions(), 50, stop=stop, progress=end)
    assert len(fit.history) == 2 and not fit.converged
    assert "epoch 2 of 200" in repr(fit.history[-1])


def test_a_bar_of_epochs(rng, capsys):
    attractor.fit_similarity(floats(rng, 10, 6), attractor.VariantOptions(), 50, epochs=3, progress=True)
    assert "3" in capsys.readouterr().err
