"""The retrieval of hopfield-layers, for code that calls it without its learned parts: change the import, keep the call.

    from attractor.hopfield_layers import Hopfield  # was: from hflayers import Hopfield

Names, layouts and meanings are those of https://github.com/ml-jku/hopfield-layers (Ramsauer et al. 2020).
"""

from __future__ import annotations

import math
import sys
from typing import Any, Optional

import numpy

from ._core import Memory, Relaxer, readout_update, recall, state_stable
from .errors import InvalidArgument, NotSupported

# What must be said because hopfield-layers would learn something otherwise, and what it has by default already.
_SERVED = {
    "normalize_stored_pattern": False,
    "normalize_stored_pattern_affine": False,
    "normalize_state_pattern": False,
    "normalize_state_pattern_affine": False,
    "normalize_pattern_projection": False,
    "normalize_pattern_projection_affine": False,
    "stored_pattern_as_static": True,
    "state_pattern_as_static": True,
    "pattern_projection_as_static": True,
    "disable_out_projection": True,
}
_SERVED_BY_DEFAULT = {
    "normalize_hopfield_space": False,
    "normalize_hopfield_space_affine": False,
    "pattern_projection_as_connected": False,
    "association_activation": None,
    "dropout": 0.0,
    "concat_bias_pattern": False,
    "add_zero_association": False,
}
# Without learned parts these mean nothing to hopfield-layers either.
_WITHOUT_MEANING = {
    "stored_pattern_size",
    "pattern_projection_size",
    "input_bias",
    "normalize_stored_pattern_eps",
    "normalize_state_pattern_eps",
    "normalize_pattern_projection_eps",
    "normalize_hopfield_space_eps",
}
_UNLIMITED = 2**31 - 1


class Hopfield:
    """Modern Hopfield retrieval: ξ ← softmax(β ξ Kᵀ) K up to `update_steps_max` times, then softmax(β ξ Kᵀ) V.

    scaling: β > 0, or None for 1, as hopfield-layers has it without projections.
    update_steps_max: updates of ξ before the association that reads V out; None for no limit.
    update_steps_eps: > 0. Each query halts by itself once an update, its second or a later one, moves its state by no
        more than this (Euclidean norm). hopfield-layers goes on with all queries of a batch until no association matrix
        changes by more; where neither halts before `update_steps_max`, results are the same but for rounding.
    batch_first: arrays are [N, L, E]; else [L, N, E].

    All other arguments are those of hopfield-layers with its defaults: normalisations, projections and an output
    projection, which would be learned and aren't served, must be turned off, as must dropout. Sizes are those of the
    arrays and may be left out. Raises NotSupported, which names the arguments, otherwise.
    """

    def __init__(self, input_size: Any = None, hidden_size: Any = None, output_size: Any = None,
                 pattern_size: Any = None, num_heads: int = 1, scaling: Any = None,
                 update_steps_max: Optional[int] = 0, update_steps_eps: float = 1e-4, *, batch_first: bool = True,
                 **others: Any) -> None:
        _check_served(num_heads, others)
        self.scaling = 1.0 if scaling is None else float(scaling)
        self.update_steps_max = None if update_steps_max is None else int(update_steps_max)
        self.update_steps_eps = float(update_steps_eps)
        self.batch_first = batch_first
        if not (self.scaling > 0 and math.isfinite(self.scaling)):
            raise InvalidArgument(f"scaling is {self.scaling}; it must be positive and finite")
        if self.update_steps_max is not None and self.update_steps_max < 0:
            raise InvalidArgument(f"update_steps_max is {self.update_steps_max}; it must be 0 or more, or None")
        if not self.update_steps_eps > 0:
            raise InvalidArgument(f"update_steps_eps is {self.update_steps_eps}; it must be positive")

    def __call__(self, input: Any, stored_pattern_padding_mask: Any = None, association_mask: Any = None) -> Any:
        """Retrieves by every state pattern of every element of the batch, from the stored patterns of that element.

        input: (stored patterns [N, S, E], state patterns [N, L, E], pattern projections [N, S, M]), or one array that
            is all three; NumPy's arrays or PyTorch's tensors, of a floating type. A batch of 1 of stored patterns and
            projections serves every element, and is made a memory once.
        stored_pattern_padding_mask: bool or uint8 [N, S]; true for stored patterns that take no part.
        association_mask: [L, S], or [N, L, S]: bool or uint8, true where a query does without a stored pattern, or of a
            floating type, which is added to β ξ Kᵀ.

        Returns [N, L, M] of the library and type of the state patterns, computed in float32; NaN for queries that do
        without every stored pattern. Raises TypeError for tensors that record gradients, which don't pass through, and
        InvalidArgument for shapes that disagree.
        O(N S (E + M)) for the memories and O(N L S E) for each update.
        """
        library, arrays = _read(input if isinstance(input, tuple) else (input, input, input))
        stored, state, projection = arrays if self.batch_first else (array.swapaxes(0, 1) for array in arrays)
        _check_shapes(stored, state, projection)
        masks = _Masks(library, stored_pattern_padding_mask, association_mask, state.shape[:2] + stored.shape[1:2])
        memories = [Memory.modern_hopfield(rows, beta=self.scaling, contents=contents)
                    for rows, contents in zip(stored, projection)]
        found = [self._retrieve(memories[n % len(memories)], state[n], masks.terms(n)) for n in range(len(state))]
        result = _as_type(library.stack(found), state.dtype)
        return result if self.batch_first else result.swapaxes(0, 1)

    def _retrieve(self, memory: Memory, queries: Any, terms: dict[str, Any]) -> Any:
        if self.update_steps_max == 0:
            return recall(memory, queries, **terms).contents
        steps = _UNLIMITED if self.update_steps_max is None else self.update_steps_max
        relaxer = Relaxer(memory, update=readout_update(), halting=state_stable(self.update_steps_eps),
                          max_steps=steps, energies=False)
        return relaxer.relax(queries, **terms).contents


class _Masks:
    """Masks of a call, as what attractor's calls say of patterns."""

    def __init__(self, library: Any, padding: Any, association: Any, shape: tuple[int, ...]) -> None:
        batch, queries, patterns = shape
        _check_mask("stored_pattern_padding_mask", padding, [(batch, patterns)])
        _check_mask("association_mask", association, [(queries, patterns), (batch, queries, patterns)])
        if padding is not None and _is_float(padding):
            raise TypeError(f"stored_pattern_padding_mask has elements of {padding.dtype}; they must be bool or uint8")
        self._library, self._padding, self._association = library, padding, association

    def terms(self, n: int) -> dict[str, Any]:
        """Of element n of the batch."""
        terms = {}
        if self._association is not None:
            mask = self._association if self._association.ndim == 2 else self._association[n]
            if _is_float(mask):
                terms["valid_patterns"] = mask > -math.inf
                terms["log_prior"] = self._library.where(terms["valid_patterns"], mask, 0.0)
            else:
                terms["valid_patterns"] = mask == 0
        if self._padding is not None:
            present = self._padding[n:n + 1] == 0
            terms["valid_patterns"] = present & terms.get("valid_patterns", present)
        return terms


def _check_served(num_heads: int, others: dict[str, Any]) -> None:
    unknown = others.keys() - _SERVED.keys() - _SERVED_BY_DEFAULT.keys() - _WITHOUT_MEANING
    if unknown:
        raise TypeError(f"Hopfield has no arguments {', '.join(sorted(unknown))}")
    missing = [f"{name}={value}" for name, value in _SERVED.items() if others.get(name) is not value]
    missing += [f"{name}={value}" for name, value in _SERVED_BY_DEFAULT.items() if others.get(name, value) != value]
    if num_heads != 1:
        missing.append("num_heads=1 (attractor.Heads has several)")
    if missing:
        raise NotSupported("Hopfield retrieves without learned parts; it must be made with " + ", ".join(missing))


def _read(arrays: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The library that arrays are of, and arrays that record no gradients."""
    if len(arrays) != 3:
        raise InvalidArgument(f"the input is {len(arrays)} arrays; it must be one, or stored patterns, state patterns "
                              "and pattern projections")
    torch = sys.modules.get("torch")
    if torch is not None and all(isinstance(array, torch.Tensor) for array in arrays):
        if torch.is_grad_enabled() and any(array.requires_grad for array in arrays):
            raise TypeError("patterns require gradients, which don't pass through; detach them, or call under "
                            "torch.no_grad()")
        return torch, tuple(array.detach() for array in arrays)
    if all(isinstance(array, numpy.ndarray) for array in arrays):
        return numpy, arrays
    kinds = ", ".join(type(array).__name__ for array in arrays)
    raise TypeError(f"patterns must all be NumPy arrays or all be PyTorch tensors; they are {kinds}")


def _check_shapes(stored: Any, state: Any, projection: Any) -> None:
    shapes = " and ".join(str(tuple(array.shape)) for array in (stored, state, projection))
    if not all(array.ndim == 3 for array in (stored, state, projection)):
        raise InvalidArgument(f"patterns have the shapes {shapes}; they must have 3 dimensions")
    if not _is_float(state):
        raise TypeError(f"state patterns have elements of {state.dtype}; they must be of a floating type")
    if stored.shape[:2] != projection.shape[:2] or stored.shape[2] != state.shape[2]:
        raise InvalidArgument(f"stored, state and projected patterns [N, S, E], [N, L, E], [N, S, M] have the shapes "
                              f"{shapes}")
    if len(state) == 0 or len(stored) not in (1, len(state)):
        raise InvalidArgument(f"stored patterns have a batch of {len(stored)} for a batch of {len(state)} state "
                              "patterns; it must be the same, at least 1, or 1")


def _check_mask(name: str, mask: Any, shapes: list[tuple[int, ...]]) -> None:
    if mask is not None and tuple(mask.shape) not in shapes:
        raise InvalidArgument(f"{name} has the shape {tuple(mask.shape)}; it must be "
                              + " or ".join(str(shape) for shape in shapes))


def _is_float(array: Any) -> bool:
    return "float" in str(array.dtype)  # float64, torch.bfloat16


def _as_type(array: Any, dtype: Any) -> Any:
    return array.astype(dtype, copy=False) if isinstance(array, numpy.ndarray) else array.to(dtype)
