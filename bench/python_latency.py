#!/usr/bin/env python3
"""Microseconds of a call from Python that relaxes few queries, on the small memories of `latency`, of which the
difference to that program's own is what Python costs.

python_latency.py [--batches 1 8 16 64] [--calls 2000]: with a Python that has the module. Prints the median of calls on one
thread.
"""
import argparse
import statistics
import time

import attractor
import numpy as np


def median_microseconds(call, count):
    times = []
    for _ in range(count):
        begin = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - begin)
    return statistics.median(times) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 64], help="numbers of queries")
    parser.add_argument("--calls", type=int, default=2000, help="calls of which the median is taken")
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    for count, dimension, noise, steps in ((8, 128, 1.0, 100), (64, 256, 0.5, 18)):
        patterns = rng.choice(np.array([-1, 1], np.float32), size=(count, dimension))
        memory = attractor.Memory.hebbian(patterns, evaluation="factored")
        relaxer = attractor.Relaxer(memory, update=attractor.tanh_update(0.5), max_steps=steps, threads=1)
        for batch in arguments.batches:
            origins = rng.integers(count, size=batch)
            noisy = patterns[origins] + noise * rng.standard_normal((batch, dimension))
            queries = noisy.astype(np.float32)
            took = median_microseconds(lambda: relaxer.relax(queries), arguments.calls)
            print(f"hebbian N={dimension} P={count}, {batch} queries: {took:.1f} µs")


main()
