"""Arrays in the memory of a CUDA device, made and exported by DLPack without an array library: cudart alone."""

import ctypes

import numpy as np

try:
    cudart = ctypes.CDLL("libcudart.so.13")
except OSError:  # Without it there is no device whose arrays could be tested.
    cudart = None

CUDA = 2
READ_ONLY = 1
TO_DEVICE, TO_HOST = 1, 2
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("byte_offset", ctypes.c_uint64)]


DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Unversioned(ctypes.Structure):
    """DLManagedTensor, of exporters for importers before version 1, which can't say that it must not be written."""

    _fields_ = [("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", DELETER)]


class Versioned(ctypes.Structure):
    """DLManagedTensorVersioned."""

    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p),
                ("deleter", DELETER), ("flags", ctypes.c_uint64), ("tensor", Tensor)]


python = ctypes.PyDLL(None)
python.PyCapsule_New.restype = ctypes.py_object
python.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
python.PyCapsule_IsValid.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
python.PyCapsule_GetPointer.restype = ctypes.c_void_p
python.PyCapsule_GetPointer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
DESTRUCTOR = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)

exported = {}  # What importers hold, by address.


@DELETER
def release(address):
    del exported[address]


@DESTRUCTOR
def drop(capsule):
    """Of a capsule that nobody has taken the array from, which would have renamed it."""
    for name in (b"dltensor", b"dltensor_versioned"):
        if python.PyCapsule_IsValid(capsule, name):
            release(python.PyCapsule_GetPointer(capsule, name))


def check(code):
    assert code == 0, f"cudart says {code}"


class DeviceArray:
    """A copy of a NumPy array on a device; `columns` shows so many of each row, `step` every so manieth element."""

    def __init__(self, values, device=0, read_only=False, columns=None, step=1):
        self._values = np.ascontiguousarray(values)
        self._place, self._read_only = (CUDA, device), read_only
        self._shape = self._values.shape if columns is None else (self._values.shape[0], columns)
        self._strides = tuple(stride // self._values.itemsize for stride in self._values.strides)
        self._strides = (*self._strides[:-1], self._strides[-1] * step)
        self._data = ctypes.c_void_p()
        self.streams = []
        check(cudart.cudaSetDevice(device))
        check(cudart.cudaMalloc(ctypes.byref(self._data), ctypes.c_size_t(self._values.nbytes)))
        self._copy(self._data, self._values.ctypes.data_as(ctypes.c_void_p), TO_DEVICE)

    def _copy(self, to, source, kind):
        check(cudart.cudaMemcpy(to, source, ctypes.c_size_t(self._values.nbytes), kind))

    def __del__(self):
        if cudart is not None and self._data:
            cudart.cudaFree(self._data)

    def numpy(self):
        """All of it, on the host."""
        values = np.empty_like(self._values)
        self._copy(values.ctypes.data_as(ctypes.c_void_p), self._data, TO_HOST)
        return values

    def __dlpack_device__(self):
        return self._place

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        self.streams.append(stream)
        versioned = max_version is not None and max_version[0] >= 1
        if self._read_only and not versioned:
            raise BufferError("an array that must not be written is exported from version 1 on")
        count, dtype = len(self._shape), self._values.dtype
        shape, strides = (ctypes.c_int64 * count)(*self._shape), (ctypes.c_int64 * count)(*self._strides)
        tensor = Tensor(self._data, *self._place, count, CODES[dtype.kind], 8 * dtype.itemsize, 1, shape, strides, 0)
        if versioned:
            managed = Versioned(1, 0, None, release, READ_ONLY if self._read_only else 0, tensor)
        else:
            managed = Unversioned(tensor, None, release)
        address = ctypes.addressof(managed)
        exported[address] = (managed, shape, strides, self)
        name = b"dltensor_versioned" if versioned else b"dltensor"
        return python.PyCapsule_New(address, name, ctypes.cast(drop, ctypes.c_void_p))
