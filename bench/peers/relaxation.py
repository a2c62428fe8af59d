"""Relaxation in PyTorch: batched as well as it goes, and one query at a time as the paper has it."""

import torch

GAIN = 0.5


class DenseField:
    """u = Wx with W = AᵀA/N and a zero diagonal."""

    def __init__(self, patterns):
        self.weights = patterns.T @ patterns / patterns.shape[1]
        self.weights.fill_diagonal_(0)

    def __call__(self, states, out=None):
        return torch.matmul(states, self.weights, out=out)


class FactoredField:
    """The same from the patterns: u = Aᵀ(Ax)/N − diag·x."""

    def __init__(self, patterns):
        self.patterns = patterns
        self.scaled = patterns / patterns.shape[1]
        self.diagonal = (patterns * self.scaled).sum(0)

    def __call__(self, states, out=None):
        field = torch.matmul(states @ self.patterns.T, self.scaled, out=out)
        return field.addcmul_(states, self.diagonal, value=-1)


def step_(states, field):
    """x' = tanh(x + gain·u), in place."""
    return states.add_(field, alpha=GAIN).tanh_()


def energies(states, field):
    """E = −½ xᵀu for every row."""
    return (states * field).sum(1).mul_(-0.5)


def relax_chunk(field_of, step_rule, energy_rule, queries, out, cadence, relative, max_steps):
    """Relaxes rows together: one product each step, the rows that have halted dropped every `cadence` steps.

    A row's result is its state at its own halt, also where it is dropped later. Returns the sum of the rows' steps.
    """
    states = queries.clone()
    buffer = torch.empty_like(states)
    field = field_of(states, out=buffer)
    rows = torch.arange(len(states))
    waiting = torch.ones(len(states), dtype=torch.bool)
    previous = None
    total_steps = 0
    for t in range(1, max_steps + 1):
        states = step_rule(states, field)
        field = field_of(states, out=buffer[: len(states)])
        current = energy_rule(states, field)
        if t > 1:
            halted = ((current - previous).abs_() <= relative * current.abs()) & waiting
            if t == max_steps:
                halted = waiting
            found = halted.nonzero().squeeze(1)
            if len(found):
                out.index_copy_(0, rows.index_select(0, found), states.index_select(0, found))
                total_steps += t * len(found)
                waiting = waiting & ~halted
            if t % cadence == 0 or t == max_steps:
                left = waiting.nonzero().squeeze(1)
                if len(left) == 0:
                    return total_steps
                if len(left) < len(rows):
                    states, field = states.index_select(0, left), field.index_select(0, left)
                    rows, current = rows.index_select(0, left), current.index_select(0, left)
                    waiting = torch.ones(len(left), dtype=torch.bool)
        previous = current
    return total_steps


def batched(field_of, chunk, cadence, relative, max_steps, step_rule=step_, energy_rule=energies):
    """Returns a function of queries that gives states and mean steps."""

    def relax(queries):
        out = torch.empty_like(queries)
        steps = sum(relax_chunk(field_of, step_rule, energy_rule, part, part_out, cadence, relative, max_steps)
                    for part, part_out in zip(queries.split(chunk), out.split(chunk)))
        return out, steps / len(queries)

    return relax


def one_at_a_time(field_of, relative, max_steps):
    """The paper's listing: one query after the other, a product for the update and another for the energy."""

    def relax(queries):
        out = torch.empty_like(queries)
        total_steps = 0
        for i, query in enumerate(queries):
            state, previous = query, None
            for t in range(1, max_steps + 1):
                state = torch.tanh(state + GAIN * field_of(state))
                current = -0.5 * torch.dot(state, field_of(state)).item()
                if previous is not None and abs(current - previous) <= relative * abs(current):
                    break
                previous = current
            out[i] = state
            total_steps += t
        return out, total_steps / len(queries)

    return relax


def softmax_step(states, patterns, beta):
    """x' = softmax(βx Aᵀ)A."""
    return torch.softmax((beta * states) @ patterns.T, 1) @ patterns


def attention_step(states, patterns, beta):
    """The same through PyTorch's fused attention."""
    keys = patterns[None, None]
    return torch.nn.functional.scaled_dot_product_attention(states[None, None], keys, keys, scale=beta)[0, 0]


def fixed_steps(step_rule, patterns, beta, steps, chunk):
    """A modern Hopfield memory for fixed steps, chunk by chunk so that the scores stay in cache."""

    def relax(queries):
        out = torch.empty_like(queries)
        for part, part_out in zip(queries.split(chunk), out.split(chunk)):
            for _ in range(steps):
                part = step_rule(part, patterns, beta)
            part_out.copy_(part)
        return out, float(steps)

    return relax
