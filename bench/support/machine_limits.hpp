#pragma once

/// What this machine gets through when it does nothing else.

namespace attractor::bench {

/// Comparators a second, in all lanes of all threads, that this machine gets through when it does nothing but take
/// minima and maxima of vectors in registers, of floats or of integers, whichever it does faster: the limit of sorting
/// networks of comparators.
double comparator_limit(int threads);

/// Floating-point operations a second, two for each multiply-add, in all lanes of all threads, when it does nothing but
/// multiply-adds of vectors of floats in registers.
double multiply_add_limit(int threads);

/// Bytes that all lanes of one thread look up in a table of 16 held in a register, each of which is added to something,
/// in a second of processor time in which it does nothing else.
double table_lookup_limit();

}  // namespace attractor::bench
