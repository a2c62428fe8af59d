"""Exceptions. Wrong arguments are found before any work starts, so the call that raised has changed nothing."""


class Error(Exception):
    """Base of everything this library raises itself."""


class InvalidArgument(Error, ValueError):
    """An argument is unusable; the message names the argument and the values that disagree."""


class DependentPatterns(InvalidArgument):
    """A pattern is a linear combination of those before it, so the projection rule has no solution."""


class NotSupported(Error, NotImplementedError):
    """The request is meaningful, but this build or this device cannot serve it."""


class FileError(Error, OSError):
    """A file can't be read or written, or doesn't hold what it should; the message names the file."""


class DeviceError(Error, RuntimeError):
    """A call to a device failed; `code` is the cudaError_t."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class OutOfDeviceMemory(DeviceError, MemoryError):
    """A device has no memory left for what a call needs. Everything the call had allocated is free again."""
