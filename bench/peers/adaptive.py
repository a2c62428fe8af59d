"""Adaptive similarity (A-Hop, arXiv 2511.20609) in PyTorch, as the paper writes it down."""

import torch


def footprints(terms):
    """Running sums of the terms in descending order."""
    return torch.sort(terms, dim=-1, descending=True).values.cumsum(-1)


def scores(patterns, queries, weights):
    """w·footprint of every query with every pattern, squared distance and dot added up; [queries × patterns]."""
    x = queries[:, None]
    return footprints(-((patterns - x) ** 2)) @ weights[0] + footprints(patterns * x) @ weights[1]


def retrieve(patterns, queries, weights, chunk):
    """The index of the best pattern of each query, `chunk` queries at a time: footprints take much memory."""
    return torch.cat([scores(patterns, part, weights).argmax(1) for part in queries.split(chunk)])
