"""A figure for each memory's page."""

import attractor
import matplotlib.pyplot as plt
import numpy as np

from queries import flipped, grid, recovered, signs

Memory = attractor.Memory


def shares_over(ax, counts, curves, dimension, flips=0.1, queries=400):
    """Of each curve's rule, a function of patterns, the share of queries recovered by the number of patterns."""
    rng = np.random.default_rng(7)
    shares = {label: [] for label in curves}
    for count in counts:
        patterns = signs(rng, count, dimension)
        origins = patterns[rng.integers(count, size=queries)]
        damaged = flipped(rng, origins, flips)
        for label, rule in curves.items():
            shares[label].append(recovered(rule(patterns), damaged, origins))
    for label in curves:
        ax.plot(counts, shares[label], marker=".", label=label)
    ax.set(xlabel="patterns", ylabel="recovered", ylim=(-0.03, 1.03))
    if len(curves) > 1:
        ax.legend()


def hebbian():
    figure, ax = plt.subplots()
    shares_over(ax, range(4, 53, 4), {"Hebbian": Memory.hebbian}, 256)
    ax.axvline(0.138 * 256, color="gray", linewidth=0.8)
    ax.annotate("0.138 D", (0.138 * 256, 0.9), xytext=(4, 0), textcoords="offset points", color="gray")
    return figure


def storkey():
    figure, ax = plt.subplots()
    rules = {"Hebbian": Memory.hebbian, "Storkey": Memory.storkey, "projection": Memory.projection}
    shares_over(ax, range(8, 129, 8), rules, 256)
    return figure


def bidirectional():
    rng = np.random.default_rng(7)
    figure, ax = plt.subplots()
    counts = range(2, 31, 2)
    for share in (0.0, 0.1):
        right = []
        for count in counts:
            pairs = signs(rng, count, 256)
            states = np.repeat(pairs, 20, axis=0)
            known = flipped(rng, states, share)
            known[:, 128:] = 0
            ends = attractor.Relaxer(Memory.bidirectional(pairs, 128)).relax(known).states
            right.append(np.mean(np.mean(ends[:, 128:] != states[:, 128:], axis=1) <= 0.01))
        ax.plot(counts, right, marker=".", label=f"{share:.0%} of the first layer flipped")
    ax.set(xlabel="pairs", ylabel="second layers recovered", ylim=(-0.03, 1.03))
    ax.legend()
    return figure


def projection():
    rng = np.random.default_rng(7)
    figure, ax = plt.subplots()
    alike = np.linspace(0, 0.8, 9)
    shares = {"Hebbian": [], "projection": []}
    for share in alike:
        common = signs(rng, 1, 256)
        patterns = np.where(rng.random((20, 256)) < share, common, signs(rng, 20, 256))
        origins = np.repeat(patterns, 20, axis=0)
        queries = flipped(rng, origins, 0.1)
        for label, rule in (("Hebbian", Memory.hebbian), ("projection", Memory.projection)):
            shares[label].append(recovered(rule(patterns), queries, origins))
    for label, values in shares.items():
        ax.plot(alike, values, marker=".", label=label)
    ax.set(xlabel="share of neurons that patterns have in common", ylabel="recovered", ylim=(-0.03, 1.03))
    ax.legend()
    return figure


def correlation_matrix():
    rng = np.random.default_rng(7)
    figure, ax = plt.subplots()
    counts = range(4, 65, 6)
    errors = {}
    for count in counts:
        patterns, contents = signs(rng, count, 256), np.eye(count, dtype=np.float32)
        origins = rng.integers(count, size=200)
        queries = flipped(rng, patterns[origins], 0.1)
        for name, rule in (("Hebbian", Memory.hebbian), ("projection", Memory.projection)):
            memory = rule(patterns, contents=contents)
            for way, read in (("at once", attractor.recall(memory, queries).contents),
                              ("relaxed", attractor.Relaxer(memory).relax(queries).contents)):
                error = np.sqrt(np.mean((read - contents[origins]) ** 2))
                errors.setdefault(f"{name}, {way}", []).append(error)
    for label, values in errors.items():
        ax.plot(counts, values, marker=".", label=label)
    ax.set(xlabel="patterns", ylabel="error of the contents", ylim=(0, None))
    ax.legend()
    return figure


def dense_associative():
    figure, ax = plt.subplots()
    counts = [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]
    rules = {f"n = {n}": lambda patterns, n=n: Memory.dense_associative(patterns, order=n) for n in (2, 3, 4)}
    shares_over(ax, counts, rules, 64, queries=200)
    ax.set_xscale("log", base=2)
    return figure


def minerva():
    rng = np.random.default_rng(7)
    figure, ax = plt.subplots()
    old, new = signs(rng, 40, 64), signs(rng, 400, 64)
    memory = Memory.minerva(np.where(rng.random(old.shape) < 0.7, old, 0).astype(np.float32))
    bins = np.linspace(-0.3, 0.9, 49)
    for label, probes in (("new", new), ("old", old)):
        intensity = attractor.recall(memory, probes).intensity
        ax.hist(intensity, bins, density=True, alpha=0.7, label=f"{label} probes")
    ax.set(xlabel="echo intensity", ylabel="density")
    ax.legend()
    return figure


def exponential():
    figure, ax = plt.subplots()
    rules = {f"dense, n = {n}": lambda patterns, n=n: Memory.dense_associative(patterns, order=n) for n in (3, 5)}
    counts = [2**k for k in range(2, 15)]
    shares_over(ax, counts, rules | {"exponential": Memory.exponential}, 32, queries=200)
    ax.set_xscale("log", base=2)
    return figure


PLANE = np.array([[-0.8, -0.7], [-0.6, -0.8], [0.1, 0.1], [0.9, 0.5], [0.7, 0.8], [-0.7, 0.8], [0.6, -0.8]],
                 dtype=np.float32)


def show_ends(ax, memory, queries):
    ends = attractor.Relaxer(memory, max_steps=1000).relax(queries).states
    ax.plot(*np.stack([queries, ends]).transpose(2, 0, 1), color="lightgray", linewidth=0.6)
    ax.plot(*ends.T, ".", markersize=4)
    ax.plot(*memory.patterns.T, "x", color="black")
    ax.set(aspect="equal", xticks=[], yticks=[])


def modern_hopfield():
    figure, axes = plt.subplots(1, 3)
    for ax, beta in zip(axes, (1, 8, 64)):
        memory = Memory.modern_hopfield(PLANE, beta=beta, similarity="squared_distance")
        show_ends(ax, memory, grid(-1, 1, 9))
        ax.set_title(f"β = {beta}")
    return figure


def sparse():
    figure, ax = plt.subplots()
    scores = np.linspace(0, -3, 10, dtype=np.float32)
    separations = {"softmax": attractor.softmax(), "entmax(1.5)": attractor.entmax(1.5),
                   "sparsemax": attractor.sparsemax(), "normmax(2)": attractor.normmax(2)}
    for place, (label, separation) in enumerate(separations.items()):
        memory = Memory.modern_hopfield(scores[:, None], separation=separation, contents=np.eye(10, dtype=np.float32))
        weights = attractor.recall(memory, np.ones((1, 1), dtype=np.float32)).contents[0]
        ax.bar(np.arange(10) + 0.2 * place - 0.3, weights, 0.2, label=label)
    ax.set(xlabel="pattern, by its score", ylabel="weight", xticks=range(10))
    ax.legend()
    return figure


def top():
    rng = np.random.default_rng(7)
    figure, ax = plt.subplots()
    places = np.sort(rng.random((40, 1)).astype(np.float32), axis=0)
    samples = (np.sin(6 * places) + 0.2 * rng.standard_normal((40, 1))).astype(np.float32)
    asked = np.linspace(0, 1, 400, dtype=np.float32)[:, None]
    ax.plot(places, samples, ".", color="gray")
    for label, separation in (("top(1)", attractor.top(1)), ("top(8)", attractor.top(8)),
                              ("softmax", attractor.softmax())):
        memory = Memory.modern_hopfield(places, beta=400, similarity="squared_distance", separation=separation,
                                        contents=samples)
        ax.plot(asked, attractor.recall(memory, asked).contents, linewidth=1, label=label)
    ax.set(xlabel="query", ylabel="contents")
    ax.legend()
    return figure


def similarities():
    figure, axes = plt.subplots(1, 4, figsize=(8, 2.4))
    points = np.array([[-0.9, -0.2], [-0.2, 0.25], [0.3, -0.4], [0.5, 0.45], [0.1, 0.9]], dtype=np.float32)
    for ax, similarity in zip(axes, ("dot", "squared_distance", "manhattan", "cosine")):
        memory = Memory.modern_hopfield(points, similarity=similarity)
        winners = attractor.retrieve(memory, grid(-1, 1, 200), posteriors=False).pattern.reshape(200, 200)
        ax.imshow(winners, extent=(-1, 1, -1, 1), origin="lower", cmap="Pastel1", vmin=0, vmax=8)
        ax.plot(*points.T, "x", color="black")
        ax.set(title=similarity.replace("_", " "), xticks=[], yticks=[])
    return figure


def epanechnikov():
    figure, ax = plt.subplots(figsize=(4, 4))
    memory = Memory.modern_hopfield(PLANE, beta=25, similarity="squared_distance",
                                    separation=attractor.epanechnikov())
    show_ends(ax, memory, grid(-1.2, 1.2, 25))
    for centre in PLANE:
        ax.add_patch(plt.Circle(centre, np.sqrt(2 / 25), fill=False, color="gray", linewidth=0.6))
    return figure


def adaptive():
    rng = np.random.default_rng(7)
    figure, ax = plt.subplots()
    patterns = rng.standard_normal((512, 64)).astype(np.float32)
    severities = np.linspace(0.1, 0.7, 7)
    right = {"dot": [], "squared distance": [], "adaptive, fitted": []}
    for severity in severities:
        options = attractor.VariantOptions(variant="mixed", severity=severity, seed=2)
        variants = attractor.make_variants(patterns, 1000, options)
        training = attractor.VariantOptions(variant="mixed", severity=severity, seed=1)
        fit = attractor.fit_similarity(patterns, training, 500)
        rules = (Memory.modern_hopfield(patterns), Memory.modern_hopfield(patterns, similarity="squared_distance"),
                 Memory.adaptive(patterns, fit.similarity))
        for label, memory in zip(right, rules):
            found = attractor.retrieve(memory, variants.queries, posteriors=False).pattern[:, 0]
            right[label].append(np.mean(found == variants.origins))
    for label, values in right.items():
        ax.plot(severities, values, marker=".", label=label)
    ax.set(xlabel="severity", ylabel="retrieved", ylim=(-0.03, 1.03))
    ax.legend()
    return figure


FIGURES = {
    "hebbian": hebbian,
    "storkey": storkey,
    "bidirectional": bidirectional,
    "projection": projection,
    "correlation-matrix": correlation_matrix,
    "dense-associative": dense_associative,
    "minerva": minerva,
    "exponential": exponential,
    "modern-hopfield": modern_hopfield,
    "sparse": sparse,
    "top": top,
    "similarities": similarities,
    "epanechnikov": epanechnikov,
    "adaptive": adaptive,
}
