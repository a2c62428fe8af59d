"""Noisy sensors to prototypes: which of 12 operating states does a machine report, when some of its sensors fail?

Each state is a prototype: what 32 sensors read in it. A measurement is a prototype with noise, and a share of its sensors
has failed and reads anything. `retrieve` answers with the most likely state and how sure it is. The similarity decides
how much a failed sensor matters: by the Manhattan distance less than by the squared one.
"""

import attractor
import matplotlib.pyplot as plt
import numpy as np
from gallery import output_folder, save

output = output_folder(__doc__)
rng = np.random.default_rng(1)

STATES, SENSORS, NOISE, MEASUREMENTS = 12, 32, 0.3, 5000
prototypes = rng.standard_normal((STATES, SENSORS)).astype(np.float32)


def measure(share_failed):
    origins = rng.integers(STATES, size=MEASUREMENTS)
    measured = prototypes[origins] + NOISE * rng.standard_normal((MEASUREMENTS, SENSORS))
    failed = rng.random(measured.shape) < share_failed
    return origins, np.where(failed, rng.uniform(-8, 8, measured.shape), measured)


# β is the noise's: 1/σ² makes posteriors of the squared distance those of Gaussian noise, √2/σ of the Manhattan one
# those of Laplacian noise of the same variance.
memories = {
    "squared distance": attractor.Memory.modern_hopfield(prototypes, beta=1 / NOISE**2, similarity="squared_distance"),
    "Manhattan distance": attractor.Memory.modern_hopfield(prototypes, beta=2**0.5 / NOISE, similarity="manhattan"),
}

shares = np.arange(0, 0.71, 0.1)
right = {name: [] for name in memories}
print("failed sensors   " + "   ".join(f"{name}: right, mean posterior" for name in memories))
for share in shares:
    origins, measured = measure(share)
    line = f"{share:14.0%}"
    for name, memory in memories.items():
        found = attractor.retrieve(memory, measured)
        right[name].append((found.pattern[:, 0] == origins).mean())
        line += f"{right[name][-1]:22.1%}{found.posterior.mean():16.3f}"
    print(line)

figure, axes = plt.subplots(figsize=(5, 3))
for name, values in right.items():
    axes.plot(100 * shares, 100 * np.array(values), "o-", label=name)
axes.set(xlabel="failed sensors, %", ylabel="right state, %", ylim=(0, 103))
axes.legend()
save(figure, output / "sensor_prototypes.svg")
