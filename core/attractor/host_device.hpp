#pragma once

/// Marks functions that a CUDA compiler builds for the device too. To every other compiler it means nothing.

#if defined(__CUDACC__)
#define ATTRACTOR_HOST_DEVICE __host__ __device__
#else
#define ATTRACTOR_HOST_DEVICE
#endif
