"""Image completion: the lower half of a handwritten digit is filled in from its upper half.

Two ways with the same 1,300 digits. Upper halves as patterns with whole digits as contents: recall weighs digits by how
similar their upper halves are. Or whole digits as patterns: pixels that are known are clamped, which keeps them as they
are, while the others relax, so that what has been filled in has a say in what comes next.
"""

import attractor
import numpy as np
from gallery import output_folder, show_images
from sklearn.datasets import load_digits

output = output_folder(__doc__)

# 8×8 pixels from 0 to 1 in random order: 1,300 are stored, 200 choose the inverse temperature, 297 are new.
digits = load_digits().data[np.random.default_rng(1).permutation(1797)].astype(np.float32) / 16
stored, trial, new = np.split(digits, [1300, 1500])
known = np.arange(64) < 32
mean = stored.mean(axis=0)


def recall(images, beta):
    """Digits by their upper halves."""
    memory = attractor.Memory.modern_hopfield(stored[:, known], beta=beta, similarity="squared_distance",
                                              contents=stored)
    return attractor.recall(memory, images[:, known]).contents


def relax(images, beta):
    """Whole digits, from the mean where pixels aren't known."""
    memory = attractor.Memory.modern_hopfield(stored, beta=beta, similarity="squared_distance")
    queries = np.where(known, images, mean)
    clamped = np.tile(known, (len(images), 1))
    return attractor.Relaxer(memory, max_steps=100).relax(queries, clamped=clamped).states


def nearest_neighbour(images, _):
    """The stored digit whose upper half is the most similar: recall at an inverse temperature without bound."""
    return recall(images, 1e4)


def error(completed, images):
    """Root of the mean squared error of the pixels that were hidden."""
    return np.sqrt(((completed - images)[:, ~known] ** 2).mean())


methods = {"mean of all digits": lambda images, _: np.tile(mean, (len(images), 1)),
           "nearest neighbour": nearest_neighbour, "recall": recall, "relaxation": relax}
betas = [1, 2, 4, 8, 16, 32, 64]
completed = {}
print("error of hidden pixels       β   stored digits   new digits")
for name, method in methods.items():
    beta = min(betas, key=lambda beta: error(method(trial, beta), trial))
    completed[name] = method(new, beta)
    chosen = beta if method in (recall, relax) else "–"
    print(f"{name:<25}{chosen:>5}{error(method(stored, beta), stored):16.3f}{error(completed[name], new):13.3f}")

rows = {"new digit": new, "known": np.where(known, new, 0), "recall": completed["recall"],
        "relaxation": completed["relaxation"]}
show_images(list(rows), [images[:12].reshape(-1, 8, 8) for images in rows.values()], output / "image_completion.svg",
            vmin=0, vmax=1)
