"""Patterns, queries and what became of them, for the figures."""

import attractor
import numpy as np


def signs(rng, *shape):
    return rng.choice(np.array([-1, 1], dtype=np.float32), size=shape)


def flipped(rng, states, share):
    """Copies, of whose neurons this share is flipped."""
    return np.where(rng.random(states.shape) < share, -states, states)


def recovered(memory, queries, patterns, **options):
    """The share of queries whose state ends with at most 1 % of the signs of its pattern wrong."""
    states = attractor.Relaxer(memory, **options).relax(queries).states
    return np.mean(np.mean((states > 0) != (patterns > 0), axis=1) <= 0.01)


def grid(low, high, count):
    """Points of the plane in rows of `count`, [count², 2]."""
    ticks = np.linspace(low, high, count, dtype=np.float32)
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
