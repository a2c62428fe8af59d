"""Room for results beside arrays on a device, made by the library that these are of."""

from __future__ import annotations

import sys
from typing import Any, Optional


def beside(array: Any, shape: tuple[int, ...], dtype: str) -> Optional[Any]:
    """An array to be written on the device of `array`; None where its library has no such arrays, as JAX."""
    libraries = {kind.__module__.partition(".")[0] for kind in type(array).__mro__}
    if "torch" in libraries:
        return array.new_empty(shape, dtype=getattr(sys.modules["torch"], dtype))
    if "cupy" in libraries:
        with array.device:
            return sys.modules["cupy"].empty(shape, dtype=dtype)
    return None
