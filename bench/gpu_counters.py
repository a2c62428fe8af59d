#!/usr/bin/env python3
"""Counts the work of the CUDA kernels and prints the table of bench/gpu-counters.md.

Each case runs build/.../gpu_work once under a launcher, an emulator or profiler that runs a command and writes one CSV
line for each kernel (columns kind, name, thread_instructions, average_lanes, load_sectors and so on) to {report}:

  python3 bench/gpu_counters.py --gpu-work build/cuda/bench/gpu_work --launcher 'LAUNCHER --report {report}'
"""

import argparse
import csv
import json
import pathlib
import shlex
import subprocess
import tempfile

SECTOR = 32
OUTCOME_SECTORS = 2  # the steps and the status of a query, scattered: a sector each


class Case:
    def __init__(self, name, form, dimension, patterns, queries, noise, extra_energy, streamed=False,
                 noisy_patterns=False, signs=False, fast=False, beta=None):
        # extra_energy: c of the halting efficiency, the share of a step that the last energy costs.
        self.name, self.form, self.dimension, self.patterns = name, form, dimension, patterns
        self.queries, self.noise, self.extra_energy, self.streamed = queries, noise, extra_energy, streamed
        self.noisy_patterns, self.signs, self.fast, self.beta = noisy_patterns, signs, fast, beta

    def arguments(self):
        words = ["--form", self.form, "--dimension", self.dimension, "--patterns", self.patterns]
        words += ["--queries", self.queries, "--least-noise", self.noise[0], "--most-noise", self.noise[1]]
        words += ["--streamed"] if self.streamed else []
        words += ["--noisy-patterns"] if self.noisy_patterns else []
        words += ["--signs"] if self.signs else []
        words += ["--fast"] if self.fast else []
        words += ["--beta", self.beta] if self.beta else []
        return [str(word) for word in words]

    def memory_floats(self):
        rows = self.dimension if self.form == "dense" else self.patterns
        return rows * self.dimension


RESIDENT = [
    Case("N = 128, P = 8", "factored", 128, 8, 6400, (0.4, 1.6), 0.5),
    Case("N = 128, P = 8, very mixed", "factored", 128, 8, 6400, (0.05, 2.5), 0.5),
    Case("N = 256, P = 32", "factored", 256, 32, 2560, (0.2, 0.8), 0.5),
    Case("N = 512, P = 64", "factored", 512, 64, 960, (0.2, 0.8), 0.5),
    Case("N = 128, dense", "dense", 128, 8, 3200, (0.4, 1.6), 1.0),
]
SIGNS = [
    Case("N = 128, P = 8", "factored", 128, 8, 1536, (0.2, 0.8), 1.0, signs=True),
    Case("N = 256, P = 32", "factored", 256, 32, 1536, (0.2, 0.8), 1.0, signs=True),
    Case("N = 512, P = 64", "factored", 512, 64, 1536, (0.2, 0.8), 1.0, signs=True),
]
BYTE_PRODUCTS = 2580  # multiply-adds in a clock of a multiprocessor of 9.0, by mma.sync
SCHEDULERS = 4
STREAMED = [
    Case("N = 512, P = 64", "factored", 512, 64, 24576, (0.2, 0.8), 1.0, True),
    Case("N = 512, dense", "dense", 512, 64, 24576, (0.2, 0.8), 1.0, True),
]
PRODUCTS = [
    Case("N = 4096, P = 256, ±1", "factored", 4096, 256, 4096, (0.2, 0.8), 1.0, True),
]
SOFTMAX = [
    Case("D = 64, P = 4096, ±1", "softmax", 64, 4096, 256, (0.4, 1.6), 1.0),
    Case("D = 64, P = 4096", "softmax", 64, 4096, 256, (0.4, 1.6), 1.0, noisy_patterns=True),
    Case("D = 128, P = 4096, ±1", "softmax", 128, 4096, 128, (0.4, 1.6), 1.0),
    Case("D = 128, P = 4096", "softmax", 128, 4096, 128, (0.4, 1.6), 1.0, noisy_patterns=True),
    Case("D = 256, P = 4096, ±1", "softmax", 256, 4096, 128, (0.4, 1.6), 1.0),
    Case("D = 256, P = 4096", "softmax", 256, 4096, 128, (0.4, 1.6), 1.0, noisy_patterns=True),
    Case("D = 64, P = 4096, fast", "softmax", 64, 4096, 256, (0.4, 1.6), 1.0, noisy_patterns=True, fast=True),
    Case("D = 128, P = 4096, fast", "softmax", 128, 4096, 128, (0.4, 1.6), 1.0, noisy_patterns=True, fast=True),
    Case("D = 256, P = 4096, fast", "softmax", 256, 4096, 128, (0.4, 1.6), 1.0, noisy_patterns=True, fast=True),
]
RETRIEVAL = [
    Case("D = 64, P = 4096, ±1", "retrieval", 64, 4096, 256, (0.4, 1.6), 1.0),
    Case("D = 64, P = 4096", "retrieval", 64, 4096, 256, (0.4, 1.6), 1.0, noisy_patterns=True),
    Case("D = 256, P = 57086, ±1", "retrieval", 256, 57086, 128, (0.4, 1.6), 1.0),
    Case("D = 256, P = 57086", "retrieval", 256, 57086, 128, (0.4, 1.6), 1.0, noisy_patterns=True),
]

ADAPTIVE = [
    Case("D = 64, P = 1024", "adaptive", 64, 1024, 256, (0.4, 1.6), 1.0),
    Case("D = 32, P = 1024", "adaptive", 32, 1024, 256, (0.4, 1.6), 1.0),
    Case("D = 256, P = 128", "adaptive", 256, 128, 32, (0.4, 1.6), 1.0),
    Case("D = 784, P = 32", "adaptive", 784, 32, 16, (0.4, 1.6), 1.0),
]
LEVELS = [
    Case("D = 64, P = 1024", "levels", 64, 1024, 256, (0.4, 1.6), 1.0),
    Case("D = 256, P = 1024", "levels", 256, 1024, 64, (0.4, 1.6), 1.0),
    Case("D = 784, P = 1024", "levels", 784, 1024, 16, (0.4, 1.6), 1.0),
]
STATES = 64  # of a block that scores up to 64 ranks
GRADIENT = [
    Case("D = 64, P = 1024", "gradient", 64, 1024, 256, (0.4, 1.6), 1.0),
    Case("D = 32, P = 1024", "gradient", 32, 1024, 256, (0.4, 1.6), 1.0),
    Case("D = 256, P = 128", "gradient", 256, 128, 32, (0.4, 1.6), 1.0),
    Case("D = 784, P = 32", "gradient", 784, 32, 16, (0.4, 1.6), 1.0),
]
SPARSE_GRADIENT = [  # the larger β, the fewer pairs matter
    Case(f"D = {dimension}, P = 1024", "gradient", dimension, 1024, 256, (0.4, 1.6), 1.0, beta=beta)
    for dimension in (64, 32) for beta in (8, 12, 16)
]


def run(options, case, fixed_steps=0, *more):
    """What gpu_work says of one run, and the counters of its kernels."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "counters.csv"
        command = shlex.split(options.launcher.format(report=report)) + [options.gpu_work] + case.arguments()
        if fixed_steps:
            command += ["--fixed-steps", str(fixed_steps)]
        command += more
        work = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        with report.open() as lines:
            kernels = [row for row in csv.DictReader(lines) if row["kind"] == "kernel"]
    return work, kernels


def total(kernels, column, name=""):
    return sum(float(kernel[column]) for kernel in kernels if name in kernel["name"])


def bank_conflicts(kernels):
    requests = total(kernels, "shared_loads") + total(kernels, "shared_stores")
    return f"{100 * total(kernels, 'bank_conflict_cycles') / requests:.2f} %" if requests else "–"


def sectors(kernels):
    return total(kernels, "load_sectors") + total(kernels, "store_sectors")


def local_accesses(kernels):
    return total(kernels, "local_loads") + total(kernels, "local_stores")


def lanes(kernels):
    return total(kernels, "thread_instructions") / total(kernels, "warp_instructions") / 32


def halting_efficiency(case, halting, kernels, options):
    """Instructions of the steps in fixed mode, with the last energy's share, over those of halting."""
    steps = max(1, round(halting["mean_steps"]))
    fixed, fixed_kernels = run(options, case, steps)
    per_step = total(fixed_kernels, "thread_instructions") / (fixed["queries"] * steps)
    per_query = total(kernels, "thread_instructions") / halting["queries"]
    return per_step * (halting["mean_steps"] + case.extra_energy) / per_query


def print_resident(options):
    print("| memory | mean steps | instructions per multiply-add | lanes active | bank conflicts | sectors over the least"
          " | halting efficiency |")
    print("|---|---|---|---|---|---|---|")
    for case in RESIDENT:
        work, kernels = run(options, case)
        assert work["one_launch"], case.name
        least = total(kernels, "ctas") * case.memory_floats() * 4 / SECTOR
        least += work["queries"] * (2 * case.dimension * 4 / SECTOR + OUTCOME_SECTORS)
        print(f"| {case.name} | {work['mean_steps']:.1f} "
              f"| {total(kernels, 'thread_instructions') / work['multiply_adds']:.2f} | {100 * lanes(kernels):.1f} % "
              f"| {bank_conflicts(kernels)} | {sectors(kernels) / least:.3f} "
              f"| {halting_efficiency(case, work, kernels, options):.3f} |", flush=True)


def per_step(options, case, column, *more):
    """What one more step takes of a query."""
    def count(steps):
        return total(run(options, case, steps, *more)[1], column)
    return (count(12) - count(4)) / 8 / case.queries


def print_signs(options):
    print("\n| memory | thread instructions of a step | on floats | tensor multiply-adds over the least | clocks by issue"
          " | by tensor cores | bank conflicts |")
    print("|---|---|---|---|---|---|---|")
    for case in SIGNS:
        products = per_step(options, case, "tensor_flops") / 2
        print(f"| {case.name} | {per_step(options, case, 'thread_instructions'):.0f} "
              f"| {per_step(options, case, 'thread_instructions', '--as-floats'):.0f} "
              f"| {products / (2 * case.dimension * case.patterns):.2f} "
              f"| {per_step(options, case, 'warp_instructions') / SCHEDULERS:.1f} | {products / BYTE_PRODUCTS:.1f} "
              f"| {bank_conflicts(run(options, case, 8)[1])} |", flush=True)


def print_streamed(options):
    print("\n| memory | mean steps | bytes per query and step, over the least | instructions per neuron and step |")
    print("|---|---|---|---|")
    for case in STREAMED:
        work, kernels = run(options, case)
        kernels = [kernel for kernel in kernels if not is_product(kernel)]
        steps = work["queries"] * work["mean_steps"]
        # The state once in and once out, its readout and its scores once in.
        least = 4 * (3 * case.dimension + (case.patterns if case.form == "factored" else 0))
        moved = total(kernels, "unique_read_bytes") + total(kernels, "unique_write_bytes")
        instructions = total(kernels, "thread_instructions") / (steps * case.dimension)
        print(f"| {case.name} | {work['mean_steps']:.1f} | {moved / steps / least:.3f} | {instructions:.0f} |", flush=True)


def is_product(kernel):
    return "multiply_by_tensors" in kernel["name"] or "add_parts_kernel" in kernel["name"]


def by_multiply_add(kernels, work):
    """Cells of a table: what kernels take, and how well."""
    return (f"| {total(kernels, 'thread_instructions') / work['multiply_adds']:.3f} "
            f"| {total(kernels, 'tensor_flops') / 2 / work['multiply_adds']:.2f} | {100 * lanes(kernels):.1f} % "
            f"| {bank_conflicts(kernels)} |")


def print_products(options):
    print("\n| memory | instructions per multiply-add | tensor multiply-adds | lanes active | bank conflicts"
          " | bytes per query and step |")
    print("|---|---|---|---|---|---|")
    for case in PRODUCTS:
        work, kernels = run(options, case, 1)
        kernels = [kernel for kernel in kernels if is_product(kernel)]
        moved = total(kernels, "unique_read_bytes") + total(kernels, "unique_write_bytes")
        print(f"| {case.name} {by_multiply_add(kernels, work)} {moved / work['queries'] / work['mean_steps']:.0f} |",
              flush=True)


def print_softmax(options):
    print("\n| memory | instructions per multiply-add | tensor multiply-adds | lanes active | bank conflicts |")
    print("|---|---|---|---|---|")
    for case in SOFTMAX:
        work, kernels = run(options, case, 3)
        kernels = [kernel for kernel in kernels if "scan" in kernel["name"] and "cub::" not in kernel["name"]]
        print(f"| {case.name} {by_multiply_add(kernels, work)}", flush=True)


def print_retrieval(options):
    print("\n| memory | k | scores | ranking | in all | scores, patterns alone | ranking | in all |")
    print("|---|---|---|---|---|---|---|---|")
    for case in RETRIEVAL:
        for best in (1, 5, 10):
            cells = [instructions_by_pair(options, case, best), instructions_by_pair(options, case, best, "--patterns-alone")]
            print(f"| {case.name} | {best} " + " ".join(f"| {scores:.0f} | {ranking:.0f} | {scores + ranking:.0f}"
                                                       for scores, ranking in cells) + " |", flush=True)


def instructions_by_pair(options, case, best, *more):
    """Of a retrieval: of the products, and of the kernels that look at scores."""
    work, kernels = run(options, case, 0, "--best", str(best), *more)
    return tuple(sum(total(kernels, "thread_instructions", name) for name in names) / work["pairs"]
                 for names in (("multiply",), ("pick_kernel", "share_kernel", "rank_kernel")))


def comparators(count):
    """Of a sorting network: Green's for 16, Batcher's merges above, without those that padding makes idle."""
    size = 16
    total = 60
    while size < count:
        size, total = 2 * size, 2 * total + merge_comparators(2 * size)
    return total


def merge_comparators(size):
    return size // 2 + sum(size // 2 - distance for distance in powers_below(size // 2))


def powers_below(limit):
    return [1 << i for i in range(limit.bit_length() - 1)]


def print_adaptive(options):
    print("\n| memory | instructions per pair | per comparator | lanes active | bank conflicts | local accesses"
          " | sectors over the least |")
    print("|---|---|---|---|---|---|---|")
    for case in ADAPTIVE:
        work, kernels = run(options, case, 1)
        kernels = [kernel for kernel in kernels if "adaptive::score" in kernel["name"]]
        launches = total(kernels, "launches")
        pairs = work["queries"] * case.patterns * launches
        instructions = total(kernels, "thread_instructions") / pairs
        # States once in, patterns once for each block of states, scores once out.
        blocks = -(-work["queries"] // STATES)
        least = 4 * launches * (work["queries"] * case.dimension + blocks * case.patterns * case.dimension) + 4 * pairs
        moved = SECTOR * sectors(kernels)
        print(f"| {case.name} | {instructions:.0f} | {instructions / (2 * comparators(case.dimension)):.2f} "
              f"| {100 * lanes(kernels):.1f} % | {bank_conflicts(kernels)} "
              f"| {local_accesses(kernels):.0f} "
              f"| {moved / least:.2f} |", flush=True)


def by_pair(options, case, part, *steps):
    """A run, those of its kernels that have the part in their names, and their pairs and instructions."""
    work, kernels = run(options, case, *steps)
    kernels = [kernel for kernel in kernels if part in kernel["name"]]
    pairs = work["queries"] * case.patterns * total(kernels, "launches")
    return work, kernels, pairs, total(kernels, "thread_instructions")


def print_levels(options):
    print("\n| bipolar patterns | instructions per pair | per level | lanes active | bank conflicts | local accesses"
          " | bytes per 1000 instructions |")
    print("|---|---|---|---|---|---|---|")
    for case in LEVELS:
        _, kernels, pairs, instructions = by_pair(options, case, "adaptive::score_levels", 1)
        levels = 2 * 2 * case.dimension  # ±1 at each entry, for two bases
        print(f"| {case.name} | {instructions / pairs:.0f} | {instructions / pairs / levels:.2f} "
              f"| {100 * lanes(kernels):.1f} % | {bank_conflicts(kernels)} "
              f"| {local_accesses(kernels):.0f} "
              f"| {1000 * SECTOR * sectors(kernels) / instructions:.1f} |", flush=True)


def print_gradient(options):
    print("\n| patterns | instructions per pair | per comparator | lanes active | bank conflicts | local accesses"
          " | sectors over the least | bytes per 1000 instructions |")
    print("|---|---|---|---|---|---|---|---|")
    for case in GRADIENT:
        work, kernels, pairs, instructions = by_pair(options, case, "adaptive::add_")
        launches = total(kernels, "launches")
        # States, patterns and residuals once in.
        least = 4 * launches * (work["queries"] + case.patterns) * case.dimension + 4 * pairs
        moved = SECTOR * sectors(kernels)
        print(f"| {case.name} | {instructions / pairs:.0f} "
              f"| {instructions / pairs / comparators(case.dimension):.2f} | {100 * lanes(kernels):.1f} % "
              f"| {bank_conflicts(kernels)} "
              f"| {local_accesses(kernels):.0f} "
              f"| {moved / least:.2f} | {1000 * moved / instructions:.1f} |", flush=True)
    print("\n| patterns | pairs that matter | instructions per pair of all | lanes active | bank conflicts"
          " | bytes per 1000 instructions |")
    print("|---|---|---|---|---|---|")
    for case in SPARSE_GRADIENT:
        work, kernels, pairs, instructions = by_pair(options, case, "adaptive::add_")
        print(f"| {case.name} | {100 * work['pairs_that_matter']:.1f} % | {instructions / pairs:.0f} "
              f"| {100 * lanes(kernels):.1f} % | {bank_conflicts(kernels)} "
              f"| {1000 * SECTOR * sectors(kernels) / instructions:.1f} |", flush=True)


TABLES = {"resident": print_resident, "signs": print_signs, "streamed": print_streamed, "products": print_products, "softmax": print_softmax, "retrieval": print_retrieval,
          "adaptive": print_adaptive, "levels": print_levels, "gradient": print_gradient}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu-work", required=True, help="the program of that name")
    parser.add_argument("--only", choices=list(TABLES), help="one of the tables")
    parser.add_argument("--launcher", required=True, help="a command that runs its arguments, with {report} in it")
    options = parser.parse_args()
    for name, table in TABLES.items():
        if options.only in (None, name):
            table(options)


if __name__ == "__main__":
    main()
