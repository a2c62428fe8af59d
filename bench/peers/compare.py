"""This library beside PyTorch: the same data, the same rule, the same number of threads, one interleaved run."""

import argparse
import csv
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import adaptive
import attention
import relaxation


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-job", type=Path, required=True, help="the built program bench/peer_job")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved measurements of every way")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--relative", type=float, default=1e-4, help="halting tolerance, relative to the energy")
    parser.add_argument("--max-steps", type=int, default=100)
    parser.add_argument("--finalists", type=int, default=3, help="PyTorch variants that are measured in every round")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--scored", type=int, default=2048, help="queries of adaptive-2048")
    parser.add_argument("--heads", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="numbers of heads of heads-512")
    parser.add_argument("--only", nargs="*", help="names of jobs: hebbian-128, hebbian-1024, hopfield-4096, hopfield-57086, adaptive-2048,"
                        " heads-512")
    parser.add_argument("--output", type=Path, default=Path("."), help="folder for peers.json and peers-heads.csv")
    return parser.parse_args()


class Job:
    """Random patterns and noisy queries, in memory and in files that the C++ program reads."""

    def __init__(self, name, memory, dimension, patterns, queries, beta, folder, seed):
        self.name, self.memory, self.beta = name, memory, beta
        random = np.random.default_rng(seed)
        stored = random.choice(np.array([-1, 1], np.float32), (patterns, dimension))
        self.targets = random.integers(patterns, size=queries)
        sigma = random.choice(np.array([0.5, 1, 1.5, 2, 2.5], np.float32), (queries, 1))
        noise = random.standard_normal((queries, dimension), np.float32)
        asked = np.tanh(stored[self.targets] + sigma * noise)
        self.folder = folder
        stored.tofile(folder / "patterns.f32")
        asked.tofile(folder / "queries.f32")
        self.patterns, self.queries = torch.from_numpy(stored), torch.from_numpy(asked)

    def recovered(self, states):
        """Share of states with the pattern's sign everywhere."""
        agree = states[: len(self.targets)] * self.patterns[self.targets[: len(states)]] > 0
        return agree.all(1).float().mean().item()


def run_library(job, arguments, fixed_steps=0):
    """Seconds per query, recovered share, mean and 95th percentile of steps of this library."""
    states = job.folder / "states.f32"
    command = [arguments.peer_job, "--memory", job.memory, "--dimension", job.patterns.shape[1], "--beta", job.beta,
               "--patterns", job.folder / "patterns.f32", "--queries", job.folder / "queries.f32", "--states", states,
               "--relative", arguments.relative, "--max-steps", arguments.max_steps, "--fixed-steps", fixed_steps,
               "--threads", arguments.threads, "--repetitions", 3]
    printed = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    report = json.loads(printed)
    final = torch.from_numpy(np.fromfile(states, np.float32).reshape(job.queries.shape))
    return report["seconds"] / len(final), job.recovered(final), report["mean_steps"], report["p95_steps"]


def multiply_add_limit(arguments):
    """Operations a second of a processor that does nothing but multiply-adds of floats, two each."""
    command = [arguments.peer_job, "--limits", "--threads", arguments.threads]
    printed = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    return json.loads(printed)["multiply_adds"]


def run_torch(job, variant, queries):
    """The same of one PyTorch variant."""
    start = time.perf_counter()
    states, steps = variant(queries)
    seconds = time.perf_counter() - start
    return seconds / len(queries), job.recovered(states), steps


def fastest(job, variants, count):
    """The `count` fastest variants on the first queries; those that fail on this machine are named and left out."""
    sample = job.queries[:16384]
    times = {}
    for name, variant in variants.items():
        try:
            variant(sample[:4096])  # warm up, compile
            times[name] = run_torch(job, variant, sample)[0]
        except Exception as error:  # torch.compile has many ways to be unavailable
            print(f"  {name}: left out: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
            continue
        print(f"  {name}: {1 / times[name]:,.0f} queries/s", flush=True)
    return {name: variants[name] for name in sorted(times, key=times.get)[:count]}


def label(setting):
    return ", ".join(map(str, setting))


def finalists(job, arguments, make, *stages):
    """The fastest variants: each stage is a function of the best setting so far and gives settings to try.

    At the end the best one is tried compiled too, where that works.
    """
    tried, winner = {}, None
    for settings in stages:
        for setting in settings(winner):
            tried[label(setting)] = (setting, make(*setting))
        best = fastest(job, {name: variant for name, (_, variant) in tried.items()}, arguments.finalists)
        winner = tried[next(iter(best))][0]
        tried = {name: tried[name] for name in best}
    if not arguments.no_compile:
        best |= fastest(job, {label(winner) + ", compiled": make(*winner, compiled=True)}, 1)
    return best


class ScoringJob:
    """Normal patterns, noisy queries and any weights of footprints, in memory and in files for the C++ program."""

    def __init__(self, dimension, patterns, queries, folder, seed):
        random = np.random.default_rng(seed)
        stored = random.standard_normal((patterns, dimension), np.float32)
        asked = stored[random.integers(patterns, size=queries)]
        asked += 0.6 * random.standard_normal(asked.shape, np.float32)
        footprint_weights = random.random((2, dimension), np.float32) / dimension
        rank_weights = np.ascontiguousarray(footprint_weights[:, ::-1].cumsum(1)[:, ::-1])
        self.folder = folder
        for name, values in {"patterns": stored, "queries": asked, "weights": rank_weights}.items():
            values.tofile(folder / f"{name}.f32")
        self.patterns, self.queries, self.weights = map(torch.from_numpy, (stored, asked, footprint_weights))
        self.expected = None  # what PyTorch finds

    def agreement(self, found):
        """Share of queries for which the pattern found is PyTorch's."""
        return (found == self.patterns[self.expected[: len(found)]]).all(1).float().mean().item()


def score_by_library(job, arguments, precision):
    """Seconds per query of this library, and its agreement with PyTorch."""
    found = job.folder / "found.f32"
    command = [arguments.peer_job, "--memory", "adaptive", "--device", "cpu", "--dimension", job.patterns.shape[1],
               "--patterns", job.folder / "patterns.f32", "--queries", job.folder / "queries.f32", "--states", found,
               "--weights", job.folder / "weights.f32", "--precision", precision, "--threads", arguments.threads,
               "--repetitions", 3]
    printed = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    rows = torch.from_numpy(np.fromfile(found, np.float32).reshape(job.queries.shape))
    return json.loads(printed)["seconds"] / len(rows), job.agreement(rows), 1


def score_by_torch(job, chunk, count):
    """The same of PyTorch, so many queries at a time."""
    start = time.perf_counter()
    found = adaptive.retrieve(job.patterns, job.queries[:count], job.weights, chunk)
    return (time.perf_counter() - start) / count, job.agreement(job.patterns[found]), 1


def compare_scoring(job, arguments):
    """Few queries are enough for PyTorch: its time doesn't depend on how many chunks there are."""
    count = min(64, len(job.queries))
    job.expected = adaptive.retrieve(job.patterns, job.queries, job.weights, 16)
    chunks = sorted((1, 2, 4, 8, 16, 32), key=lambda chunk: score_by_torch(job, chunk, count)[0])[:2]
    rounds = {"full": [], "bits16": [], "bits8": []}
    for _ in range(arguments.rounds):
        ours = {precision: score_by_library(job, arguments, precision) for precision in rounds}
        theirs = {f"sort, cumsum, product, {chunk} queries at a time": score_by_torch(job, chunk, count)
                  for chunk in chunks}
        for precision, results in rounds.items():
            results.append({f"this library, {precision}": ours[precision], **theirs})
    return rounds


class HeadsJob:
    """Normal keys, which are the values too, and queries; in memory and in files that the C++ program reads."""

    def __init__(self, dimension, patterns, queries, folder, seed):
        random = np.random.default_rng(seed)
        stored = random.standard_normal((patterns, dimension), np.float32)
        asked = random.standard_normal((queries, dimension), np.float32)
        self.folder = folder
        stored.tofile(folder / "patterns.f32")
        asked.tofile(folder / "queries.f32")
        self.patterns, self.queries = torch.from_numpy(stored), torch.from_numpy(asked)


def attend_by_library(job, heads, beta, arguments):
    """Seconds of one step of this library, and its states [queries × columns]."""
    states = job.folder / "states.f32"
    command = [arguments.peer_job, "--memory", "heads", "--device", "cpu", "--heads", heads, "--beta", beta,
               "--dimension", job.patterns.shape[1], "--patterns", job.folder / "patterns.f32",
               "--queries", job.folder / "queries.f32", "--states", states, "--fixed-steps", 1,
               "--threads", arguments.threads, "--repetitions", 3]
    printed = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    return json.loads(printed)["seconds"], torch.from_numpy(np.fromfile(states, np.float32).reshape(job.queries.shape))


def attend_by_torch(rule, job, heads, beta):
    """The same of one way in PyTorch, the median of three; heads lie apart before, results are joined after."""
    queries = attention.split(job.queries, heads).contiguous()
    keys = attention.split(job.patterns, heads).contiguous()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        states = rule(queries, keys, beta)
        times.append(time.perf_counter() - start)
    return statistics.median(times), attention.joined(states)


def compare_heads(job, heads, arguments):
    """A row for each way: its time, that over this library's (median of rounds), and how far it is from the exact
    result, alone and as a share of what rounding allows."""
    beta = float(np.float32(1 / math.sqrt(job.patterns.shape[1] / heads)))
    ways = {"this library": lambda: attend_by_library(job, heads, beta, arguments)}
    for name, rule in {"PyTorch: fused attention": attention.fused, "PyTorch: softmax of products": attention.loop}.items():
        ways[name] = lambda rule=rule: attend_by_torch(rule, job, heads, beta)
    rounds = []
    for _ in range(arguments.rounds + 1):  # Nothing is warm in the first.
        rounds.append({name: way() for name, way in ways.items()})
    expected, bound = (attention.joined(values) for values in attention.exact_by_rows(
        attention.split(job.queries, heads), attention.split(job.patterns, heads), beta))
    ours = rounds[-1]["this library"][1].double()
    rows = []
    for name in ways:
        states = rounds[-1][name][1].double()
        rows.append({"heads": heads,
                     "way": name,
                     "seconds_per_query": statistics.median(results[name][0] for results in rounds[1:]) / len(ours),
                     "slower": statistics.median(results[name][0] / results["this library"][0] for results in rounds[1:]),
                     "from_this_library": (states - ours).abs().max().item(),
                     "from_exact": (states - expected).abs().max().item(),
                     "of_the_bound": ((states - expected).abs() / bound).max().item()})
    return rows


def print_heads(rows):
    width = max(len(row["way"]) for row in rows)
    print(f"  heads  {'':{width}}  µs a query  this library is faster by  from this library  from exact  of its bound")
    for row in rows:
        print(f"  {row['heads']:5}  {row['way']:{width}}  {1e6 * row['seconds_per_query']:10.2f}  {row['slower']:25.2f}"
              f"  {row['from_this_library']:17.1e}  {row['from_exact']:10.1e}  {row['of_the_bound']:12.3f}")


def beyond_rounding(rows):
    """Whether a way is farther from the exact result than rounding explains; says which."""
    beyond = [row for row in rows if not row["of_the_bound"] <= 1]  # NaN too
    for row in beyond:
        print(f"{row['way']}, {row['heads']} heads: {row['of_the_bound']:.3g} times as far from the exact result as"
              " rounding explains", file=sys.stderr)
    return bool(beyond)


def write_heads(rows, path):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        writer.writerows(rows)


def compile_rule(rule):
    return torch.compile(rule, dynamic=True)


def compare_linear(job, arguments):
    fields = {"dense": relaxation.DenseField(job.patterns), "factored": relaxation.FactoredField(job.patterns)}
    limits = arguments.relative, arguments.max_steps

    def make(kind, chunk, cadence, compiled=False):
        rules = (relaxation.step_, relaxation.energies)
        return relaxation.batched(fields[kind], chunk, cadence, *limits, *map(compile_rule, rules if compiled else ()))

    chunks = [size for size in (1024, 2048, 4096, 8192, 16384) if size <= len(job.queries)]
    best = finalists(job, arguments, make,
                     lambda _: itertools.product(fields, chunks, (1,)),
                     lambda winner: [(*winner[:2], cadence) for cadence in (2, 4)])
    single = relaxation.one_at_a_time(fields["dense"], *limits)
    few = job.queries[:200]
    rounds = []
    for _ in range(arguments.rounds):
        results = {"this library": run_library(job, arguments)[:3]}
        for name, variant in best.items():
            results[name] = run_torch(job, variant, job.queries)
        results["one query at a time (200 queries)"] = run_torch(job, single, few)
        rounds.append(results)
    return {"halting": rounds}


def smallest_steps(job, wanted, limit):
    """The smallest fixed count that recovers the share wanted, or else the one that recovers most."""
    best = (0, -1.0)
    for steps in range(1, limit + 1):
        states, _ = relaxation.fixed_steps(relaxation.softmax_step, job.patterns, job.beta, steps, 2048)(job.queries)
        share = job.recovered(states)
        if share > best[1]:
            best = (steps, share)
        if share >= wanted:
            break
    return best[0]


def compare_softmax(job, arguments, steps):
    """A modern Hopfield memory: this library halting and with `steps` for all, PyTorch with `steps` for all."""
    rules = {"softmax loop": relaxation.softmax_step, "fused attention": relaxation.attention_step}

    def make(kind, chunk, compiled=False):
        rule = compile_rule(rules[kind]) if compiled else rules[kind]
        return relaxation.fixed_steps(rule, job.patterns, job.beta, steps, chunk)

    best = finalists(job, arguments, make, lambda _: itertools.product(rules, (128, 256, 512, 1024, 2048)))
    rounds = []
    for _ in range(arguments.rounds):
        results = {"this library, halting": run_library(job, arguments)[:3],
                   f"this library, {steps} fixed": run_library(job, arguments, steps)[:3]}
        for name, variant in best.items():
            results[name] = run_torch(job, variant, job.queries)
        rounds.append(results)
    return rounds


def compare_softmax_at_both(job, arguments):
    """At the smallest count that recovers as many as halting, and at the count by which 95 % of the queries halt."""
    _, wanted, mean_steps, p95_steps = run_library(job, arguments)
    equal = smallest_steps(job, wanted, 32)
    print(f"  halting takes {mean_steps:.2f} steps on average, {p95_steps} at the 95th percentile;"
          f" {equal} fixed recover as many")
    return {f"{steps} steps": compare_softmax(job, arguments, steps) for steps in sorted({equal, p95_steps})}


def summarise(rounds):
    """For each way its median rate, its last result, and how many times slower than this library (median of ratios)."""
    ours = next(iter(rounds[0]))
    rows = []
    for name in rounds[0]:
        _, recovered, steps = rounds[-1][name]
        rows.append({"way": name,
                     "queries_per_second": 1 / statistics.median(results[name][0] for results in rounds),
                     "recovered": recovered,
                     "mean_steps": steps,
                     "slower": statistics.median(results[name][0] / results[ours][0] for results in rounds)})
    return rows


def add_shares(rows, job, limit):
    """What the multiply-adds of both products of the steps taken are of those that the processor gets through."""
    for row in rows:
        operations = 4 * job.patterns.numel() * row["mean_steps"] * row["queries_per_second"]
        row["of_multiply_adds"] = operations / limit


def print_rows(rows):
    width = max(len(row["way"]) for row in rows)
    shares = "of_multiply_adds" in rows[0]
    print(f"  {'':{width}}  {'queries/s':>12}  recovered  mean steps  this library is faster by"
          + "  of multiply-adds" * shares)
    for row in rows:
        share = f"{row['of_multiply_adds']:16.2f}" if shares else ""
        print(f"  {row['way']:{width}}  {row['queries_per_second']:12,.0f}  {100 * row['recovered']:7.2f} %"
              f"  {row['mean_steps']:10.2f}  {row['slower']:24.1f}  {share}".rstrip())


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads\n{torch.__config__.show()}")
    report = {"torch": torch.__version__, "configuration": torch.__config__.show(), "threads": arguments.threads}
    jobs = {"hebbian-128": ("hebbian", 128, 8, 65536, 1.0), "hebbian-1024": ("hebbian", 1024, 64, 8192, 1.0),
            "hopfield-4096": ("modern_hopfield", 64, 4096, 8192, 0.5),
            "hopfield-57086": ("modern_hopfield", 256, 57086, 1024, 0.25)}
    with torch.inference_mode():
        for name, (memory, dimension, patterns, queries, beta) in jobs.items():
            if arguments.only and name not in arguments.only:
                continue
            print(f"\n{name}: {memory}, N = {dimension}, P = {patterns}, {queries:,} queries")
            with tempfile.TemporaryDirectory() as folder:
                job = Job(name, memory, dimension, patterns, queries, beta, Path(folder), arguments.seed)
                compare = compare_linear if memory == "hebbian" else compare_softmax_at_both
                limit = multiply_add_limit(arguments)
                report[name] = {kind: summarise(rounds) for kind, rounds in compare(job, arguments).items()}
            for rows in report[name].values():
                add_shares(rows, job, limit)
                print_rows(rows)
        name = "adaptive-2048"
        if not arguments.only or name in arguments.only:
            print(f"\n{name}: scores of both bases, d = 64, P = 2048; recovered: agreement with PyTorch")
            with tempfile.TemporaryDirectory() as folder:
                job = ScoringJob(64, 2048, arguments.scored, Path(folder), arguments.seed)
                rounds = compare_scoring(job, arguments)
                report[name] = {kind: summarise(results) for kind, results in rounds.items()}
            for rows in report[name].values():
                print_rows(rows)
        name = "heads-512"
        if not arguments.only or name in arguments.only:
            dimension, patterns, queries = 512, 1024, 2048
            print(f"\n{name}: a step of memories side by side, which is multi-head attention; {dimension} columns,"
                  f" {patterns} keys, {queries} queries")
            with tempfile.TemporaryDirectory() as folder:
                job = HeadsJob(dimension, patterns, queries, Path(folder), arguments.seed)
                report[name] = [row for heads in arguments.heads for row in compare_heads(job, heads, arguments)]
            print_heads(report[name])
            write_heads(report[name], arguments.output / "peers-heads.csv")
    (arguments.output / "peers.json").write_text(json.dumps(report, indent=2) + "\n")
    if beyond_rounding(report.get("heads-512", [])):
        sys.exit(1)


if __name__ == "__main__":
    main()
