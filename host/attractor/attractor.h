/// @file
/// The library for C, and for languages that call C. What a function does, costs and refuses is said where its
/// counterpart in C++ is declared: attractor/memory.hpp, relaxer.hpp, retrieval.hpp, nearest.hpp, recall.hpp,
/// files.hpp.
///
/// Every function that can fail returns a status; a message that names the values that disagree stays with the thread.
/// A call that fails has changed nothing, but for results on their way where a device failed. Any number of threads may
/// use one object at once, as long as none of them changes or frees it.

#ifndef ATTRACTOR_ATTRACTOR_H
#define ATTRACTOR_ATTRACTOR_H

// C headers, for this is C.
// NOLINTBEGIN(modernize-deprecated-headers, modernize-use-using, readability-identifier-naming)
#include <stddef.h>
#include <stdint.h>

#include <attractor/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The version of what is declared here. It changes where a program would have to be compiled anew: functions and
/// members at the end of structs may come without.
#define ATTRACTOR_ABI_VERSION 1

/// That of the library in use. @return ATTRACTOR_ABI_VERSION as it was built with
ATTRACTOR_EXPORT int attractor_abi_version(void);

/// The library's, as "0.1.0".
ATTRACTOR_EXPORT const char* attractor_version(void);

/// How a call ended.
typedef enum attractor_result {
  ATTRACTOR_OK = 0,
  ATTRACTOR_INVALID_ARGUMENT = 1,  ///< an argument is unusable
  ATTRACTOR_NOT_SUPPORTED = 2,     ///< it has a meaning, but this build, device or memory can't serve it
  ATTRACTOR_FILE_ERROR = 3,        ///< a file can't be read or written, or doesn't hold what it should
  ATTRACTOR_DEVICE_ERROR = 4,      ///< a call to a device failed
  ATTRACTOR_OUT_OF_MEMORY = 5,     ///< of the host or a device
  ATTRACTOR_FAILURE = 6            ///< anything else
} attractor_result;

/// What the last call of this thread that failed has said; "" before any has. Valid until the next one fails.
ATTRACTOR_EXPORT const char* attractor_last_error(void);

/// A matrix, or a vector, that the caller owns: the same members in the same order as DLPack's DLTensor, so that a
/// pointer to one may be cast to a pointer to this.
///
/// Matrices have two dimensions, one pattern or query per row, vectors one. Elements of a row lie side by side. Data
/// lie on the host (device_type 1 or 3) or on a CUDA device (2 or 13); the library looks where.
typedef struct attractor_tensor {
  void* data;
  int32_t device_type;
  int32_t device_id;
  int32_t ndim;
  uint8_t type_code;    ///< 0: signed, 1: unsigned, 2: float, 4: bfloat, 6: bool
  uint8_t type_bits;    ///< 8, 16, 32 or 64
  uint16_t type_lanes;  ///< 1
  int64_t* shape;
  int64_t* strides;  ///< in elements; null: rows lie one after another
  uint64_t byte_offset;
} attractor_tensor;

/// Patterns as attractors of an energy.
typedef struct attractor_memory attractor_memory;

/// A memory with an update, a halting rule and a limit of steps. It keeps the memory as it was.
typedef struct attractor_relaxer attractor_relaxer;

/// What rules have beside their parameters; null: nothing.
typedef struct attractor_rule_arrays {
  size_t size;                         ///< of this struct, as the caller has it
  const attractor_tensor* contents;    ///< float32 [P × M]
  const attractor_tensor* thresholds;  ///< float32 [D]
  const attractor_tensor* log_prior;   ///< float32 [P]
} attractor_rule_arrays;

/// Makes a memory: Memory::make.
///
/// @param device "cpu", "cuda" or "cuda:1"; null or "best": the first CUDA device, or else the CPU
/// @param rule as "hebbian" or "modern_hopfield(beta = 8)"
/// @param patterns float32 [P × D]
/// @param arrays null: none
/// @param memory becomes the memory, or null; to be freed
ATTRACTOR_EXPORT attractor_result attractor_memory_make(const char* device, const char* rule,
                                                        const attractor_tensor* patterns,
                                                        const attractor_rule_arrays* arrays, attractor_memory** memory);

/// Makes the memory that a file holds.
///
/// @param device as for attractor_memory_make. @param path in the system's encoding
/// @param memory becomes the memory, or null; to be freed
ATTRACTOR_EXPORT attractor_result attractor_memory_load(const char* device, const char* path,
                                                        attractor_memory** memory);

/// Writes it to a file.
ATTRACTOR_EXPORT attractor_result attractor_memory_save(const attractor_memory* memory, const char* path);

/// Another one, which is the same until either changes. It costs nothing.
ATTRACTOR_EXPORT attractor_result attractor_memory_copy(const attractor_memory* memory, attractor_memory** copy);

/// Null is nothing to free.
ATTRACTOR_EXPORT void attractor_memory_free(attractor_memory* memory);

/// Stores more patterns [Q × D], and their contents [Q × M], or null where the memory has none.
ATTRACTOR_EXPORT attractor_result attractor_memory_imprint(attractor_memory* memory, const attractor_tensor* patterns,
                                                           const attractor_tensor* contents);

/// Removes patterns.
ATTRACTOR_EXPORT attractor_result attractor_memory_forget(attractor_memory* memory, const int64_t* patterns,
                                                          size_t count);

/// Puts others [Q × D], and their contents [Q × M], in the places of `count` = Q patterns, at the cost of making the
/// memory anew once.
ATTRACTOR_EXPORT attractor_result attractor_memory_replace(attractor_memory* memory, const int64_t* patterns,
                                                           size_t count, const attractor_tensor* others,
                                                           const attractor_tensor* contents);

/// What a pattern goes by whatever becomes of others, or −1 where there is no such pattern.
ATTRACTOR_EXPORT int64_t attractor_memory_identifier_of(const attractor_memory* memory, int64_t pattern);

/// The pattern that goes by this identifier, or −1 if the memory has it no more, or never had.
ATTRACTOR_EXPORT int64_t attractor_memory_index_of(const attractor_memory* memory, int64_t identifier);

/// D, P, and M, or 0 where there are no contents.
ATTRACTOR_EXPORT int64_t attractor_memory_dimension(const attractor_memory* memory);
ATTRACTOR_EXPORT int64_t attractor_memory_pattern_count(const attractor_memory* memory);
ATTRACTOR_EXPORT int64_t attractor_memory_content_dimension(const attractor_memory* memory);

/// 1 where weights sum to 1, so that `attractor_retrieve` works, else 0.
ATTRACTOR_EXPORT int attractor_memory_is_normalised(const attractor_memory* memory);

/// Writes the rule and its parameters, and a zero, as far as there is room for them.
///
/// @param memory whose rule. @param text null: nothing is written. @param size of `text`, in bytes
/// @return the length of all of it, without the zero
ATTRACTOR_EXPORT size_t attractor_memory_rule(const attractor_memory* memory, char* text, size_t size);

typedef enum attractor_update {
  ATTRACTOR_UPDATE_DEFAULT = 0,  ///< the memory's own
  ATTRACTOR_UPDATE_TANH = 1,
  ATTRACTOR_UPDATE_SIGN = 2,
  ATTRACTOR_UPDATE_ASYNCHRONOUS_SIGN = 3,
  ATTRACTOR_UPDATE_READOUT = 4,
  ATTRACTOR_UPDATE_BLEND = 5
} attractor_update;

/// What becomes of a neuron whose field is 0 under sign updates.
typedef enum attractor_at_zero {
  ATTRACTOR_AT_ZERO_KEEP = 0,
  ATTRACTOR_AT_ZERO_ZERO = 1,
  ATTRACTOR_AT_ZERO_PLUS = 2
} attractor_at_zero;

typedef enum attractor_halting {
  ATTRACTOR_HALTING_DEFAULT = 0,  ///< by update and memory
  ATTRACTOR_HALTING_ENERGY = 1,   ///< |E_t − E_{t−1}| ≤ absolute + relative·|E_t|
  ATTRACTOR_HALTING_STATE = 2,    ///< ‖x_t − x_{t−1}‖ ≤ absolute
  ATTRACTOR_HALTING_FIXED = 3     ///< never: exactly max_steps steps
} attractor_halting;

/// How queries relax. Begin with attractor_relaxer_defaults.
typedef struct attractor_relaxer_options {
  size_t size;       ///< of this struct, as the caller has it
  int32_t update;    ///< an attractor_update
  float gain;        ///< of tanh
  float rate;        ///< of blend
  int32_t at_zero;   ///< an attractor_at_zero
  int32_t has_seed;  ///< 0: asynchronous updates go by the neurons' numbers
  uint64_t seed;     ///< else in an order that follows from this
  int32_t halting;   ///< an attractor_halting
  float absolute;
  float relative;
  int32_t patience;
  int32_t max_steps;
  int32_t energies;      ///< 1: final energies are wanted, whatever the halting rule
  int32_t energy_trace;  ///< 1: those of every step
  int32_t threads;       ///< of the CPU; 0: as many as there are processors
} attractor_relaxer_options;

/// Sets all members, the size among them.
ATTRACTOR_EXPORT void attractor_relaxer_defaults(attractor_relaxer_options* options);

/// @param memory is kept as it is now. @param options null: the defaults
/// @param relaxer becomes the relaxer, or null; to be freed
ATTRACTOR_EXPORT attractor_result attractor_relaxer_make(const attractor_memory* memory,
                                                         const attractor_relaxer_options* options,
                                                         attractor_relaxer** relaxer);

/// Null is nothing to free.
ATTRACTOR_EXPORT void attractor_relaxer_free(attractor_relaxer* relaxer);

/// How a query ended, as `status` has it.
typedef enum attractor_status {
  ATTRACTOR_STATUS_CONVERGED = 0,
  ATTRACTOR_STATUS_MAX_STEPS = 1,
  ATTRACTOR_STATUS_DIVERGED = 2,
  ATTRACTOR_STATUS_CANCELLED = 3,
  ATTRACTOR_STATUS_OSCILLATING = 4
} attractor_status;

/// Where results go; null: they aren't wanted, but for the states.
typedef struct attractor_relaxation {
  size_t size;                           ///< of this struct, as the caller has it
  const attractor_tensor* states;        ///< [B × D] float32, float16, bfloat16 or int8, or packed bits
  const attractor_tensor* steps;         ///< int32 [B]
  const attractor_tensor* energies;      ///< float32 [B]
  const attractor_tensor* status;        ///< uint8 [B]
  const attractor_tensor* energy_trace;  ///< float32 [B × max_steps]
  const attractor_tensor* contents;      ///< float32, float16 or bfloat16 [B × M]
} attractor_relaxation;

/// Parts of a call; null or 0: they aren't there.
typedef struct attractor_call {
  size_t size;                             ///< of this struct, as the caller has it
  const attractor_tensor* clamped;         ///< uint8 or bool [B × D]: neurons that keep the query's value
  const attractor_tensor* valid_patterns;  ///< uint8 or bool [1 × P] or [B × P]: those that take part
  const attractor_tensor* log_prior;       ///< float32 [1 × P] or [B × P]
  const float* betas;                      ///< inverse temperatures of the steps
  size_t beta_count;
  /// Called by one thread at a time, not always the caller's; a value that isn't 0 cancels the call, which then returns
  /// ATTRACTOR_OK and gives queries without an end the status ATTRACTOR_STATUS_CANCELLED.
  int (*progress)(int64_t finished, int64_t total, void* context);
  void* context;  ///< for `progress`
} attractor_call;

/// Relaxes queries: Relaxer::relax.
///
/// @param queries [B × D] float32, float16, bfloat16 or int8; uint8 are packed bits, as numpy.packbits packs them,
///        [B × (D + 7)/8]
/// @param relaxer relaxes them. @param results where results go. @param call null: no more than the queries
ATTRACTOR_EXPORT attractor_result attractor_relax(const attractor_relaxer* relaxer, const attractor_tensor* queries,
                                                  const attractor_relaxation* results, const attractor_call* call);

/// The k patterns that queries most likely come from: retrieve. Tensors are each on the host or the memory's device.
///
/// @param memory one whose weights sum to 1. @param queries [B × D], as for attractor_relax
/// @param patterns int64 [B × k], −1 where there is none. @param posteriors float32 [B × k], or null
/// @param beta in place of the memory's own; 0: that. @param threads of the CPU; 0: as many as there are processors
ATTRACTOR_EXPORT attractor_result attractor_retrieve(const attractor_memory* memory, const attractor_tensor* queries,
                                                     const attractor_tensor* patterns,
                                                     const attractor_tensor* posteriors, float beta, int32_t threads);

/// The k patterns that states are nearest to: nearest.
///
/// @param memory of any kind. @param states [B × D], as queries of attractor_relax
/// @param patterns int64 [B × k], −1 where there is none. @param overlaps float32 [B × k], or null
/// @param threads of the CPU; 0: as many as there are processors
ATTRACTOR_EXPORT attractor_result attractor_nearest(const attractor_memory* memory, const attractor_tensor* states,
                                                    const attractor_tensor* patterns, const attractor_tensor* overlaps,
                                                    int32_t threads);

#ifdef __cplusplus
}
#endif
// NOLINTEND(modernize-deprecated-headers, modernize-use-using, readability-identifier-naming)

#endif
