#pragma once

namespace attractor {

/// How finely a softmax memory's products tell values apart: those of states with patterns, which are scores, and of
/// weights with patterns or contents, which are readouts. Sums are float in any case.
///
/// `fast` is for CUDA devices of compute capability 8.0 and later, whose tensor cores have one product of 11 bits to
/// make where float takes two (patterns that are exact in 11 bits, as ±1) or three. It rounds to nearest, in units of a
/// power of two that suits each state and each matrix. With ‖a‖ the length of the longest pattern, less the centre of
/// all where that is taken out (see Memory::modern_hopfield), and c a column of patterns or contents:
///   a score is off by at most β(2⁻¹⁰ + (3D + 48)·2⁻²⁴)‖a‖‖x‖, an energy by 1/β of that; where all patterns, or all
///     entries of the state, are exact (0, ±1, integers up to 2048), 2⁻¹¹ takes the place of 2⁻¹⁰;
///   a readout by 2⁻¹⁰ max|c|, 2⁻¹¹ if all patterns are exact, beside what its scores' errors make of the weights and
///     what sums of floats are off by.
/// A field of a sign update that isn't above 2⁻¹⁰ max|c| counts as 0. Tolerances of halting below an energy's error are
/// met for certain only once a state repeats.
///
/// `retrieve` and `nearest` have scores of full precision in any case. So have memories on the CPU and on devices
/// before 8.0, to which `fast` means nothing, and those with a row or column below 2⁻¹² of the largest entry. All else
/// that is promised of results holds for both alike: not a bit of one depends on its batch.
enum class ProductPrecision : unsigned char {
  full,  ///< float
  fast,  ///< float16, at tensor cores' rate
};

}  // namespace attractor
