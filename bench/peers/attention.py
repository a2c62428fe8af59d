"""Multi-head attention in PyTorch, without its projections, and how far two of its computations in float may differ."""

import torch

UNIT = 2.0**-24  # half the distance of 1 from the next float


def split(rows, heads):
    """[rows × columns] as [heads × rows × columns of a head]."""
    return rows.view(len(rows), heads, -1).transpose(0, 1)


def joined(states):
    """And back."""
    return states.transpose(0, 1).reshape(states.shape[1], -1)


def fused(queries, keys, beta):
    """softmax(β q kᵀ) k through PyTorch's attention; all [heads × rows × columns]."""
    return torch.nn.functional.scaled_dot_product_attention(queries[None], keys[None], keys[None], scale=beta)[0]


def loop(queries, keys, beta):
    """The same as batched products."""
    return torch.softmax((beta * queries) @ keys.mT, -1) @ keys


def exact(queries, keys, beta):
    """The same in double precision, of floats, and the most by which a computation in float may be off at each entry.

    Whatever the order of its sums: a score is off by (d + 3) u β Σ|q k| and the rounding of what it lies below the
    largest; a weight by that, by its exponential's 4 u, and by what sums of P terms, rescaled as often as every fifth of
    them, lose in numerator and denominator, 2 P u each. To first order in u.
    """
    queries, keys = queries.double(), keys.double()
    scores = beta * queries @ keys.mT
    weights = torch.softmax(scores, -1)
    result = weights @ keys
    magnitudes = beta * queries.abs() @ keys.abs().mT
    below = scores.amax(-1, keepdim=True) - scores
    off = UNIT * ((queries.shape[-1] + 3) * magnitudes + 2 * below + 4)
    shared = (weights * off).sum(-1, keepdim=True) + UNIT * (4 * keys.shape[-2] + 2)
    return result, (weights * off) @ keys.abs() + shared * (weights @ keys.abs())


def exact_by_rows(queries, keys, beta, chunk=256):
    """`exact` for a few queries at a time: it keeps all scores of those."""
    parts = [exact(part, keys, beta) for part in queries.split(chunk, dim=1)]
    return [torch.cat(values, dim=1) for values in zip(*parts)]
