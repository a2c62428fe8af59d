"""Attention is one step of a modern Hopfield memory: keys are patterns, values are contents, β is 1/√D.

Recall equals softmax(Q Kᵀ / √D) V, and several heads side by side equal multi-head attention without its projections,
up to rounding. A memory can do what attention doesn't: take more steps, until each query's own energy is stable; its
weights then gather on few keys.
"""

import attractor
import matplotlib.pyplot as plt
import numpy as np
from gallery import output_folder, save

output = output_folder(__doc__)
rng = np.random.default_rng(1)

HEADS, DIMENSION, KEYS, QUERIES = 4, 16, 24, 10
keys, values = rng.standard_normal((2, KEYS, HEADS * DIMENSION))
queries = keys[:QUERIES] + 0.7 * rng.standard_normal((QUERIES, HEADS * DIMENSION))
beta = 1 / DIMENSION**0.5


def weights(queries, keys, beta):
    scores = np.exp(beta * queries @ keys.T)
    return scores / scores.sum(axis=1, keepdims=True)


def columns(head):
    return slice(head * DIMENSION, (head + 1) * DIMENSION)


# One head: the formula in double precision beside the memory in single precision.
first = columns(0)
attention = weights(queries[:, first], keys[:, first], beta) @ values[:, first]
memory = attractor.Memory.modern_hopfield(keys[:, first], beta=beta, contents=values[:, first])
difference = abs(attractor.recall(memory, queries[:, first]).contents - attention).max()
print(f"one head: recall differs from softmax(QKᵀ/√D)V by at most {difference:.1e}")

# All heads, each on columns of its own. `Heads` relaxes, and one step reads out the patterns: keys that are values, too.
several = attractor.Heads.modern_hopfield(keys, [beta] * HEADS, halting=attractor.fixed_steps(), max_steps=1)
expected = np.hstack([weights(queries[:, columns(h)], keys[:, columns(h)], beta) @ keys[:, columns(h)]
                      for h in range(HEADS)])
difference = abs(several.relax(queries).states - expected).max()
print(f"{HEADS} heads: a step differs from attention over the keys by at most {difference:.1e}")

# More steps, at a higher inverse temperature: weights before and after relaxing.
sharp = 1.0
relaxed = attractor.Relaxer(attractor.Memory.modern_hopfield(keys[:, first], beta=sharp)).relax(queries[:, first])
print(f"relaxed at β = {sharp:g}: {relaxed.steps.min()} to {relaxed.steps.max()} steps")

figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), sharey=True)
for axis, title, shown in zip(axes, ("attention, β = 1/√D", "one step, β = 1", "relaxed, β = 1"),
                              (weights(queries[:, first], keys[:, first], beta),
                               weights(queries[:, first], keys[:, first], sharp),
                               weights(relaxed.states, keys[:, first], sharp))):
    axis.imshow(shown, vmin=0, vmax=1, cmap="viridis")
    axis.set(title=title, xlabel="key")
axes[0].set_ylabel("query")
save(figure, output / "attention.svg")
