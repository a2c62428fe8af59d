/// @file
/// Marks what the shared library exports; everything else is hidden. For C, too.

#ifndef ATTRACTOR_EXPORT_H
#define ATTRACTOR_EXPORT_H

#if defined(ATTRACTOR_STATIC)
#define ATTRACTOR_EXPORT
#else
#define ATTRACTOR_EXPORT __attribute__((visibility("default")))
#endif

#endif
