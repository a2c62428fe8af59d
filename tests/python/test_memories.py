"""Every memory against its equations in double precision, one readout step each."""

import attractor
import numpy as np
import pytest
from conftest import floats, signs, softmax

SHAPES = [(1, 1, 1), (3, 17, 5), (9, 64, 33), (40, 31, 2)]  # P, D, B


def step(memory, queries, update=None):
    """What one fixed step makes of queries."""
    update = update or attractor.readout_update()
    relaxer = attractor.Relaxer(memory, update=update, halting=attractor.fixed_steps(), max_steps=1, energies=True)
    return relaxer.relax(queries)


def close(actual, expected, scale=1.0):
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5 * scale)


def hebbian_weights(patterns, self_coupling=False):
    weights = patterns.T.astype(np.float64) @ patterns / patterns.shape[1]
    return weights if self_coupling else weights - np.diag(np.diag(weights))


@pytest.mark.parametrize("count, dimension, batch", SHAPES)
@pytest.mark.parametrize("self_coupling", [False, True])
@pytest.mark.parametrize("evaluation", ["automatic", "factored", "dense"])
def test_hebbian(rng, count, dimension, batch, self_coupling, evaluation):
    patterns, queries = signs(rng, count, dimension), floats(rng, batch, dimension)
    thresholds = floats(rng, dimension)
    memory = attractor.Memory.hebbian(
        patterns, self_coupling=self_coupling, evaluation=evaluation, thresholds=thresholds)
    if evaluation != "automatic":
        assert memory.evaluation == evaluation
    weights = hebbian_weights(patterns, self_coupling)
    readout = queries.astype(np.float64) @ weights - thresholds
    result = step(memory, queries)
    close(result.states, readout, count)
    energies = -0.5 * np.einsum("bi,ij,bj->b", readout, weights, readout) + readout @ thresholds
    np.testing.assert_allclose(result.energies, energies, rtol=1e-3, atol=1e-3 * count**2)
    close(step(memory, queries, attractor.tanh_update(0.25)).states, np.tanh(queries + 0.25 * readout), count)
    close(step(memory, queries, attractor.blend_update(0.25)).states, queries + 0.25 * (readout - queries), count)


def test_hebbian_learns_with_rate_and_decay(rng):
    patterns, queries = signs(rng, 4, 30), floats(rng, 6, 30)
    memory = attractor.Memory.hebbian(patterns, rate=0.5, decay=0.75, self_coupling=True)
    scale = 0.5 * 0.75 ** np.arange(3, -1, -1)
    close(step(memory, queries).states, queries @ (patterns.T * scale) @ patterns / 30)


def test_hebbian_centred_leaves_the_mean_activity_out(rng):
    patterns, queries = (rng.random((5, 40)) < 0.1).astype(np.float32), floats(rng, 6, 40)
    memory = attractor.Memory.hebbian(patterns, centred=True, self_coupling=True)
    centred = patterns.astype(np.float64) - patterns.mean(dtype=np.float64)
    close(step(memory, queries).states, queries @ centred.T @ centred / 40)


@pytest.mark.parametrize("count, dimension, batch", [(1, 2, 1), (3, 17, 5), (9, 64, 33)])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_projection(rng, count, dimension, batch, ridge):
    patterns, queries = floats(rng, count, dimension), floats(rng, batch, dimension)
    memory = attractor.Memory.projection(patterns, ridge=ridge, self_coupling=True)
    rows = patterns.astype(np.float64)
    gram = rows @ rows.T / dimension + ridge * np.eye(count)
    close(step(memory, queries).states, queries @ rows.T @ np.linalg.solve(gram, rows) / dimension)


def test_storkey(rng):
    patterns, queries = signs(rng, 4, 12), floats(rng, 5, 12)
    weights = np.zeros((12, 12))
    for pattern in patterns.astype(np.float64):
        fields = weights @ pattern
        h = fields[:, None] - np.diag(weights)[:, None] * pattern[:, None] - weights * pattern[None, :]
        learned = np.outer(pattern, pattern) - pattern[:, None] * h.T - h * pattern[None, :]
        weights = weights + (learned - np.diag(np.diag(learned))) / 12
    close(step(attractor.Memory.storkey(patterns), queries).states, queries @ weights)


def test_bidirectional(rng):
    pairs, queries = signs(rng, 3, 20), floats(rng, 4, 20)
    memory = attractor.Memory.bidirectional(pairs, 8)
    result = step(memory, queries)
    weights = pairs[:, :8].T.astype(np.float64) @ pairs[:, 8:] / 20
    close(result.states, np.hstack([queries[:, 8:] @ weights.T, queries[:, :8] @ weights]))


@pytest.mark.parametrize("count, dimension, batch", SHAPES)
@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("rectified", [False, True])
def test_dense_associative(rng, count, dimension, batch, order, rectified):
    patterns, queries = signs(rng, count, dimension), signs(rng, batch, dimension)
    memory = attractor.Memory.dense_associative(patterns, order=order, rectified=rectified)
    overlaps = queries.astype(np.float64) @ patterns.T / dimension
    overlaps = np.maximum(overlaps, 0) if rectified else overlaps
    close(step(memory, queries).states, overlaps ** (order - 1) @ patterns)


def test_minerva_echoes(rng):
    traces, contents, queries = signs(rng, 7, 20), floats(rng, 7, 3), signs(rng, 5, 20)
    memory = attractor.Memory.minerva(traces, contents=contents)
    echo = attractor.recall(memory, queries)
    activation = (queries.astype(np.float64) @ traces.T / 20) ** 3
    close(echo.contents, activation @ contents)
    close(echo.intensity, activation.sum(axis=1))


def similarities(patterns, queries):
    rows, states = patterns.astype(np.float64), queries.astype(np.float64)
    differences = rows[None] - states[:, None]
    lengths = np.linalg.norm(rows, axis=1)[None] * np.linalg.norm(states, axis=1)[:, None]
    return {
        "dot": states @ rows.T,
        "squared_distance": -0.5 * (differences**2).sum(axis=2),
        "manhattan": -np.abs(differences).sum(axis=2),
        "cosine": states @ rows.T / lengths,
    }


@pytest.mark.parametrize("count, dimension, batch", SHAPES)
@pytest.mark.parametrize("similarity", ["dot", "squared_distance", "manhattan", "cosine"])
def test_modern_hopfield(rng, count, dimension, batch, similarity):
    patterns, queries = floats(rng, count, dimension), floats(rng, batch, dimension)
    contents, prior = floats(rng, count, 3), floats(rng, count)
    memory = attractor.Memory.modern_hopfield(
        patterns, beta=0.5, similarity=similarity, log_prior=prior, contents=contents)
    weights = softmax(0.5 * similarities(patterns, queries)[similarity] + prior)
    result = step(memory, queries)
    close(result.states, weights @ patterns)
    final = softmax(0.5 * similarities(patterns, result.states)[similarity] + prior)
    close(result.contents, final @ contents)
    close(attractor.recall(memory, queries).contents, weights @ contents)
    found = attractor.retrieve(memory, queries, count=min(3, count))
    best = np.argsort(-weights, axis=1, kind="stable")[:, :min(3, count)]
    np.testing.assert_allclose(found.posterior, np.take_along_axis(weights, best, 1), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(found.pattern, best)


def sparsemax(scores):
    ordered = -np.sort(-scores, axis=1)
    sums = np.cumsum(ordered, axis=1) - 1
    ranks = np.arange(1, scores.shape[1] + 1)
    support = (ordered * ranks > sums).sum(axis=1)
    threshold = sums[np.arange(len(scores)), support - 1] / support
    return np.maximum(scores - threshold[:, None], 0)


def top2(scores):
    kept = np.where(scores >= -np.sort(-scores, axis=1)[:, 1:2], scores, -np.inf)
    return softmax(kept)


@pytest.mark.parametrize("separation, weigh", [
    (attractor.softmax(), softmax),
    (attractor.sparsemax(), sparsemax),
    (attractor.entmax(2.0), sparsemax),
    (attractor.top(2), top2),
])
def test_separations(rng, separation, weigh):
    patterns, queries = floats(rng, 9, 6), floats(rng, 20, 6)
    memory = attractor.Memory.modern_hopfield(patterns, beta=0.7, separation=separation)
    weights = weigh(0.7 * similarities(patterns, queries)["dot"])
    close(step(memory, queries).states, weights @ patterns)


def test_separations_with_thresholds_solve_their_equations(rng):
    patterns, queries = np.eye(6, dtype=np.float32), floats(rng, 20, 6)
    for separation, power in ((attractor.entmax(1.5), 2.0), (attractor.normmax(1.5), 2.0)):
        memory = attractor.Memory.modern_hopfield(patterns, beta=2.0, separation=separation)
        weights = np.asarray(attractor.recall(memory, queries).contents, dtype=np.float64)  # The patterns are units.
        close(weights.sum(axis=1), 1.0)
        # Where a weight isn't 0 its root is linear in the score, with one slope for all of a query.
        for weight, score in zip(weights, 2.0 * queries):
            roots, scores = weight[weight > 0] ** (1 / power), score[weight > 0]
            if len(roots) > 2:
                close(np.polyval(np.polyfit(scores, roots, 1), scores), roots)
            assert weight[weight == 0].size == 0 or score[weight == 0].max() < scores.min()


def test_epanechnikov_averages_within_reach(rng):
    patterns, queries = floats(rng, 9, 2), floats(rng, 30, 2)
    memory = attractor.Memory.modern_hopfield(
        patterns, beta=1.0, similarity="squared_distance", separation=attractor.epanechnikov())
    reached = similarities(patterns, queries)["squared_distance"] > -1
    expected = np.where(reached.any(axis=1, keepdims=True),
                        reached @ patterns / np.maximum(reached.sum(axis=1, keepdims=True), 1), queries)
    close(step(memory, queries).states, expected)


def test_exponential(rng):
    patterns, queries = signs(rng, 5, 24), signs(rng, 9, 24)
    memory = attractor.Memory.exponential(patterns, beta=0.5)
    close(step(memory, queries).states, softmax(0.5 * queries.astype(np.float64) @ patterns.T) @ patterns)


@pytest.mark.parametrize("make", [attractor.Memory.modern_hopfield, attractor.Memory.exponential])
def test_patterns_of_16_bits(rng, make):
    patterns, queries = floats(rng, 12, 17), floats(rng, 5, 17)
    memory = make(patterns, beta=0.5, storage="float16")
    rounded = patterns.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(memory.patterns, rounded)
    np.testing.assert_array_equal(step(memory, queries).states, step(make(rounded, beta=0.5), queries).states)
    brief = make(patterns, storage="bfloat16").patterns
    np.testing.assert_array_equal(brief.view(np.uint32) & 0xFFFF, 0)
    np.testing.assert_allclose(brief, patterns, rtol=2**-8)
    with pytest.raises(attractor.InvalidArgument, match="row 0, column 1 is 70000"):
        make(np.array([[1.0, 7e4]]), storage="float16")
    with pytest.raises(attractor.InvalidArgument, match="float32, float16, bfloat16"):
        make(patterns, storage="half")


@pytest.mark.parametrize("make", [attractor.Memory.modern_hopfield, attractor.Memory.exponential])
def test_fast_precision(rng, make, tmp_path):
    patterns, queries = floats(rng, 12, 17), floats(rng, 5, 17)
    memory = make(patterns, beta=0.5, precision="fast")
    attractor.save(memory, tmp_path / "memory.safetensors")
    loaded = attractor.load(tmp_path / "memory.safetensors")
    assert loaded.rule == memory.rule and memory.rule.endswith("precision = fast)")
    np.testing.assert_array_equal(step(loaded, queries).states, step(memory, queries).states)
    np.testing.assert_allclose(attractor.recall(memory, queries).contents,
                               attractor.recall(make(patterns, beta=0.5), queries).contents, atol=0.03)


def test_fast_heads(rng):
    heads = attractor.Heads.modern_hopfield(floats(rng, 9, 8), [0.5, 1.0], precision="fast")
    assert all(relaxer.memory.rule.endswith("precision = fast)") for relaxer in heads.relaxers)


@pytest.mark.parametrize("make", [attractor.Memory.modern_hopfield, attractor.Memory.exponential])
def test_contents_of_16_bits(rng, make, tmp_path):
    patterns, contents, queries = floats(rng, 12, 17), floats(rng, 12, 5), floats(rng, 5, 17)
    memory = make(patterns, beta=0.5, contents=contents, content_storage="float16")
    rounded = contents.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(memory.contents, rounded)
    np.testing.assert_array_equal(memory.patterns, patterns)
    expected = make(patterns, beta=0.5, contents=rounded)
    np.testing.assert_array_equal(step(memory, queries).contents, step(expected, queries).contents)
    attractor.save(memory, tmp_path / "memory.safetensors")
    loaded = attractor.load(tmp_path / "memory.safetensors")
    assert loaded.rule == memory.rule and "content_storage = float16" in memory.rule
    np.testing.assert_array_equal(attractor.recall(loaded, queries).contents,
                                  attractor.recall(expected, queries).contents)
    with pytest.raises(attractor.InvalidArgument, match="contents .* row 0, column 0 is 70000"):
        memory.imprint(patterns[:1], np.full((1, 5), 7e4))
    with pytest.raises(attractor.InvalidArgument, match="contents .* bfloat16.* none were given"):
        make(patterns, content_storage="bfloat16")
    with pytest.raises(attractor.InvalidArgument, match="float32, float16, bfloat16"):
        make(patterns, contents=contents, content_storage="half")


def ranked_scores(patterns, queries, distance, dot, prior):
    rows, states = patterns.astype(np.float64), queries.astype(np.float64)
    distances = -np.sort((rows[None] - states[:, None]) ** 2, axis=2)
    dots = -np.sort(-rows[None] * states[:, None], axis=2)
    return (distances * distance).sum(axis=2) + (dots * dot).sum(axis=2) + prior


@pytest.mark.parametrize("rows", ["shared", "each"])
def test_adaptive(rng, rows):
    patterns, queries, contents = floats(rng, 7, 12), floats(rng, 9, 12), floats(rng, 7, 2)
    shape = (12,) if rows == "shared" else (7, 12)
    distance, dot, prior = rng.random(shape), rng.random(shape), rng.random(7)
    similarity = attractor.AdaptiveSimilarity(squared_distance=distance, dot=dot, log_prior=prior)
    assert similarity.squared_distance.shape == shape
    memory = attractor.Memory.adaptive(patterns, similarity, contents=contents)
    weights = softmax(ranked_scores(patterns, queries, distance, dot, prior))
    close(step(memory, queries).states, weights @ patterns)
    close(attractor.recall(memory, queries).contents, weights @ contents)
    np.testing.assert_array_equal(memory.similarity.dot, dot.astype(np.float32))


def test_contents_of_linear_memories(rng):
    patterns, contents, queries = floats(rng, 3, 20), floats(rng, 3, 4), floats(rng, 5, 20)
    scores = queries.astype(np.float64) @ patterns.T / 20
    close(attractor.recall(attractor.Memory.hebbian(patterns, contents=contents), queries).contents, scores @ contents)
    memory = attractor.Memory.projection(patterns, contents=contents)
    close(attractor.recall(memory, patterns).contents, contents)


def test_a_memory_tells_what_it_is(rng):
    patterns, contents = signs(rng, 3, 20), floats(rng, 3, 4)
    memory = attractor.Memory.exponential(patterns, beta=2.0, contents=contents)
    assert memory.rule == "exponential(beta = 2, storage = float32, content_storage = float32, precision = full)"
    assert (len(memory), memory.pattern_count, memory.dimension, memory.content_dimension) == (3, 3, 20, 4)
    assert memory.device == attractor.Device.best()
    assert memory.similarity is None
    np.testing.assert_array_equal(memory.patterns, patterns)
    np.testing.assert_array_equal(memory.contents, contents)
    assert attractor.Memory.minerva(patterns).contents is None
    assert "3 patterns of 20" in repr(memory)


def test_rules_in_words(rng):
    patterns, contents, queries = signs(rng, 3, 20), floats(rng, 3, 4), floats(rng, 5, 20)
    log_prior = np.array([0.0, -1.0, 0.5], np.float32)
    same = attractor.Memory.modern_hopfield(
        patterns, beta=0.25, separation=attractor.entmax(1.25), log_prior=log_prior, contents=contents)
    memory = attractor.Memory.make(
        "modern_hopfield(beta = 0.25, separation = entmax(1.25))", patterns, log_prior=log_prior, contents=contents)
    assert memory.rule == same.rule
    assert (memory.kind, memory.is_normalised) == ("modern_hopfield", True)
    np.testing.assert_array_equal(step(memory, queries).contents, step(same, queries).contents)
    thresholds = floats(rng, 20)
    memory = attractor.Memory.make("hebbian", patterns, thresholds=thresholds)
    assert (memory.kind, memory.is_normalised) == ("hebbian", False)
    np.testing.assert_array_equal(
        step(memory, queries).states, step(attractor.Memory.hebbian(patterns, thresholds=thresholds), queries).states)
    with pytest.raises(attractor.InvalidArgument, match="known are self_coupling"):
        attractor.Memory.make("hebbian(speed = 1)", patterns)
    with pytest.raises(attractor.InvalidArgument, match="minerva memory has no thresholds"):
        attractor.Memory.make("minerva", patterns, thresholds=thresholds)


def test_imprint_and_forget(rng):
    patterns, contents = signs(rng, 5, 20), floats(rng, 5, 2)
    memory = attractor.Memory.modern_hopfield(patterns[:3], contents=contents[:3])
    relaxer, before, shown = attractor.Relaxer(memory), memory.copy(), memory.patterns
    memory.imprint(patterns[3:], contents[3:])
    np.testing.assert_array_equal(memory.patterns, patterns)
    memory.forget([0, 3])
    np.testing.assert_array_equal(memory.patterns, patterns[[1, 2, 4]])
    np.testing.assert_array_equal(memory.contents, contents[[1, 2, 4]])
    memory.forget(np.array([2]))
    assert len(memory) == 2
    for unchanged in (relaxer.memory, before):
        np.testing.assert_array_equal(unchanged.patterns, patterns[:3])
    np.testing.assert_array_equal(shown, patterns[:3])


def test_replace_and_identifiers(rng):
    patterns, contents, others = signs(rng, 5, 20), floats(rng, 5, 2), signs(rng, 2, 20)
    memory = attractor.Memory.modern_hopfield(patterns, contents=contents)
    np.testing.assert_array_equal(memory.identifiers, range(5))
    memory.forget([1])
    memory.imprint(others[:1], contents[:1])
    assert memory.identifiers.dtype == np.int64
    np.testing.assert_array_equal(memory.identifiers, [0, 2, 3, 4, 5])
    assert [memory.index_of(i) for i in range(7)] == [0, -1, 1, 2, 3, 4, -1]
    memory.replace([3, 0], others, contents[:2])
    np.testing.assert_array_equal(memory.patterns, [others[1], patterns[2], patterns[3], others[0], others[0]])
    np.testing.assert_array_equal(memory.contents, contents[[1, 2, 3, 0, 0]])
    np.testing.assert_array_equal(memory.identifiers, [0, 2, 3, 4, 5])
    with pytest.raises(attractor.InvalidArgument, match="pattern 5 can't be replaced"):
        memory.replace([5], others[:1], contents[:1])


def test_shown_patterns_outlive_the_memory_and_cannot_be_written(rng):
    patterns = signs(rng, 5, 20)
    shown = attractor.Memory.hebbian(patterns).patterns
    assert not shown.flags.writeable
    np.testing.assert_array_equal(shown, patterns)


def test_memories_start_empty_and_may_be_emptied(rng):
    patterns, queries = signs(rng, 3, 10), floats(rng, 4, 10)
    emptied = attractor.Memory.modern_hopfield(patterns)
    emptied.forget([0, 1, 2])
    for memory in [emptied, attractor.Memory.modern_hopfield(np.zeros((0, 10), np.float32))]:
        assert memory.pattern_count == 0 and memory.dimension == 10
        assert np.array_equal(attractor.Relaxer(memory).relax(queries).states, queries)
        assert (attractor.retrieve(memory, queries).pattern == -1).all()
        memory.imprint(patterns)
        assert np.array_equal(memory.patterns, patterns)
