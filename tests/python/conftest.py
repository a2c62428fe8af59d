"""What tests share: data, and the reference in double precision."""

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def signs(rng, *shape):
    """±1, as float32."""
    return rng.choice(np.array([-1, 1], dtype=np.float32), size=shape)


def floats(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def softmax(scores):
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
