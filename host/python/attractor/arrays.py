"""What this library takes for an array."""

from __future__ import annotations

from typing import Any, Protocol


class Array(Protocol):
    """An array of NumPy, PyTorch, JAX or any library that exports DLPack or a buffer.

    Float32 whose rows are contiguous in themselves is read where it is, and so are queries in float16, bfloat16, int8 and
    Bits of memories on the CPU. Everything else is converted to float32: float64 to the nearest, float16, bfloat16 and
    integers up to 24 bits exactly, bool to 0 and 1. Results are arrays of the library that the queries are of: of
    PyTorch, JAX or TensorFlow, otherwise NumPy's.

    Arrays are in host memory. Patterns of a memory on a CUDA device, what its relaxers relax and where `relax_into` writes
    may be on that device, too: float32, and masks of one byte, with rows that are contiguous in themselves; nothing there
    is converted. They are taken in the order of the device's legacy default stream, as DLPack's exporters arrange it
    where no stream is named. Results of `Relaxer.relax` are there, too, where queries of PyTorch or CuPy are; those of
    other libraries' queries are on the host.
    """

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...
