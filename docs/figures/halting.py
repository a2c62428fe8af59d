"""The figures of the page on halting: one projection memory, and queries of all difficulties."""

import attractor
import matplotlib.pyplot as plt
import numpy as np

from queries import flipped, signs

DIMENSION, PATTERNS, QUERIES, MOST_STEPS = 256, 64, 4000, 200


def workload():
    """Patterns, queries with 0 to 30 % of the neurons flipped, and the patterns that these come from."""
    rng = np.random.default_rng(7)
    patterns = signs(rng, PATTERNS, DIMENSION)
    origins = patterns[rng.integers(PATTERNS, size=QUERIES)]
    return patterns, flipped(rng, origins, 0.3 * rng.random((QUERIES, 1))), origins


def relax(patterns, queries, halting, max_steps=MOST_STEPS, **options):
    relaxer = attractor.Relaxer(attractor.Memory.projection(patterns), update=attractor.tanh_update(0.5),
                                halting=halting, max_steps=max_steps, **options)
    return relaxer.relax(queries)


def right(states, origins):
    """The share of states with the signs of their origins, but for 1 %."""
    return np.mean(np.mean((states > 0) != (origins > 0), axis=1) <= 0.01)


def steps():
    figure, ax = plt.subplots()
    patterns, queries, _ = workload()
    counts = relax(patterns, queries, attractor.energy_stable()).steps
    ax.hist(counts, np.arange(0.5, counts.max() + 1), color="C0")
    ax.axvline(counts.mean(), color="C1", label=f"mean {counts.mean():.1f}")
    ax.axvline(counts.max(), color="C3", label=f"largest {counts.max()}")
    ax.set(xlabel="steps", ylabel="queries")
    ax.legend()
    return figure


def traces():
    figure, ax = plt.subplots()
    patterns, queries, _ = workload()
    result = relax(patterns, queries[:24], attractor.energy_stable(), energy_trace=True)
    for trace, count in zip(result.energy_trace, result.steps):
        line, = ax.plot(range(1, count + 1), trace[:count], linewidth=0.8)
        ax.plot(count, trace[count - 1], "o", markersize=3, color=line.get_color())
    ax.set(xlabel="step", ylabel="energy")
    return figure


def waste():
    """What a batch of so many steps for all costs, beside halting."""
    figure, ax = plt.subplots()
    patterns, queries, origins = workload()
    halted = relax(patterns, queries, attractor.energy_stable())
    counts = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100, 200]
    shares = [right(relax(patterns, queries, attractor.fixed_steps(), count).states, origins) for count in counts]
    ax.plot(counts, shares, marker=".", label="the same number of steps for all")
    ax.plot(halted.steps.mean(), right(halted.states, origins), "o", color="C1", label="each query halts")
    ax.set(xlabel="steps of a query, in the mean", ylabel="recovered", xscale="log", ylim=(0, 1))
    ax.legend()
    return figure


FIGURES = {"halting-steps": steps, "halting-traces": traces, "halting-waste": waste}
