/* The library from C: makes a memory, relaxes noisy queries on it, saves and loads it. Also says what must not change
 * while the ABI's version is 1. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attractor/attractor.h>

#if ATTRACTOR_ABI_VERSION != 1
#error "the layouts below are those of version 1"
#endif

#define HAS_MEMBER(type, member, place) \
  _Static_assert(offsetof(type, member) == (place), "a member of " #type " has moved: " #member)

HAS_MEMBER(attractor_tensor, data, 0);
HAS_MEMBER(attractor_tensor, device_type, 8);
HAS_MEMBER(attractor_tensor, device_id, 12);
HAS_MEMBER(attractor_tensor, ndim, 16);
HAS_MEMBER(attractor_tensor, type_code, 20);
HAS_MEMBER(attractor_tensor, type_bits, 21);
HAS_MEMBER(attractor_tensor, type_lanes, 22);
HAS_MEMBER(attractor_tensor, shape, 24);
HAS_MEMBER(attractor_tensor, strides, 32);
HAS_MEMBER(attractor_tensor, byte_offset, 40);
_Static_assert(sizeof(attractor_tensor) == 48, "a tensor has another size");
HAS_MEMBER(attractor_rule_arrays, contents, 8);
HAS_MEMBER(attractor_rule_arrays, thresholds, 16);
HAS_MEMBER(attractor_rule_arrays, log_prior, 24);
HAS_MEMBER(attractor_relaxer_options, update, 8);
HAS_MEMBER(attractor_relaxer_options, gain, 12);
HAS_MEMBER(attractor_relaxer_options, rate, 16);
HAS_MEMBER(attractor_relaxer_options, at_zero, 20);
HAS_MEMBER(attractor_relaxer_options, has_seed, 24);
HAS_MEMBER(attractor_relaxer_options, seed, 32);
HAS_MEMBER(attractor_relaxer_options, halting, 40);
HAS_MEMBER(attractor_relaxer_options, absolute, 44);
HAS_MEMBER(attractor_relaxer_options, relative, 48);
HAS_MEMBER(attractor_relaxer_options, patience, 52);
HAS_MEMBER(attractor_relaxer_options, max_steps, 56);
HAS_MEMBER(attractor_relaxer_options, energies, 60);
HAS_MEMBER(attractor_relaxer_options, energy_trace, 64);
HAS_MEMBER(attractor_relaxer_options, threads, 68);
HAS_MEMBER(attractor_relaxation, states, 8);
HAS_MEMBER(attractor_relaxation, steps, 16);
HAS_MEMBER(attractor_relaxation, energies, 24);
HAS_MEMBER(attractor_relaxation, status, 32);
HAS_MEMBER(attractor_relaxation, energy_trace, 40);
HAS_MEMBER(attractor_relaxation, contents, 48);
HAS_MEMBER(attractor_call, clamped, 8);
HAS_MEMBER(attractor_call, valid_patterns, 16);
HAS_MEMBER(attractor_call, log_prior, 24);
HAS_MEMBER(attractor_call, betas, 32);
HAS_MEMBER(attractor_call, beta_count, 40);
HAS_MEMBER(attractor_call, progress, 48);
HAS_MEMBER(attractor_call, context, 56);

enum { patterns = 8, neurons = 128, queries = 100 };

static float stored[patterns][neurons];
static float asked[queries][neurons];
static float states[queries][neurons];
static int32_t steps[queries];

static attractor_tensor tensor(void* data, int32_t dimensions, int64_t* shape, uint8_t code, uint8_t bits) {
  attractor_tensor result = {0};
  result.data = data;
  result.device_type = 1;
  result.ndim = dimensions;
  result.type_code = code;
  result.type_bits = bits;
  result.type_lanes = 1;
  result.shape = shape;
  return result;
}

/* Ends the program where a call has failed. */
static void check(attractor_result result) {
  if (result == ATTRACTOR_OK) return;
  fprintf(stderr, "error %d: %s\n", (int)result, attractor_last_error());
  exit(1);
}

/* Between −1 and 1. */
static float noise(void) { return 2.0F * (float)rand() / (float)RAND_MAX - 1.0F; }

int main(int count, char** words) {
  int64_t pattern_shape[] = {patterns, neurons};
  int64_t query_shape[] = {queries, neurons};
  attractor_tensor pattern_tensor = tensor(stored, 2, pattern_shape, 2, 32);
  attractor_tensor query_tensor = tensor(asked, 2, query_shape, 2, 32);
  attractor_tensor state_tensor = tensor(states, 2, query_shape, 2, 32);
  attractor_tensor step_tensor = tensor(steps, 1, query_shape, 0, 32);
  attractor_memory* memory = NULL;
  attractor_memory* loaded = NULL;
  attractor_relaxer* relaxer = NULL;
  attractor_relaxer_options options;
  attractor_relaxation results = {0};
  int recovered = 0;

  for (int i = 0; i < patterns; ++i)
    for (int j = 0; j < neurons; ++j) stored[i][j] = rand() % 2 == 0 ? 1.0F : -1.0F;
  for (int i = 0; i < queries; ++i)
    for (int j = 0; j < neurons; ++j) asked[i][j] = stored[i % patterns][j] + 1.5F * noise();

  check(attractor_memory_make("cpu", "hebbian", &pattern_tensor, NULL, &memory));
  if (count > 1) {
    check(attractor_memory_save(memory, words[1]));
    check(attractor_memory_load("cpu", words[1], &loaded));
  } else {
    check(attractor_memory_copy(memory, &loaded));
  }
  attractor_memory_free(memory);

  attractor_relaxer_defaults(&options);
  options.update = ATTRACTOR_UPDATE_TANH;
  options.max_steps = 50;
  check(attractor_relaxer_make(loaded, &options, &relaxer));
  attractor_memory_free(loaded);

  results.size = sizeof results;
  results.states = &state_tensor;
  results.steps = &step_tensor;
  check(attractor_relax(relaxer, &query_tensor, &results, NULL));
  attractor_relaxer_free(relaxer);

  for (int i = 0; i < queries; ++i) {
    int same = 1;
    for (int j = 0; j < neurons; ++j) same = same && (states[i][j] > 0) == (stored[i % patterns][j] > 0);
    recovered += same;
  }
  printf("%d of %d recovered; the first after %d steps\n", recovered, queries, (int)steps[0]);
  return recovered >= 9 * queries / 10 && attractor_abi_version() == 1 ? 0 : 1;
}
