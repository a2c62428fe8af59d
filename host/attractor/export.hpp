#pragma once

/// Marks what the shared library exports; everything else is hidden.

#if defined(ATTRACTOR_STATIC)
#define ATTRACTOR_EXPORT
#else
#define ATTRACTOR_EXPORT __attribute__((visibility("default")))
#endif
