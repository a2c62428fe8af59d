#pragma once

/// A warp of the integer kernel: keeps its 32 states filled and steps them until no query is left.
///
/// Scores come as −4 Σ F x, from the bits b of x = 1 − 2b, as 8 Σ F b − 4 Σ F: an operand is four bits of a word, of a
/// value of 1 to 8, and the patterns' bytes are times 8 to 1. Their digits in base 256 are left operands in turn, with
/// negative patterns, so that readouts come as those of F times what digits are of. A neuron is −1 next where its
/// readout falls short of the least, which is a sign. It is asked for states of +1 and of −1, and a word takes 32 of
/// either.

#include "kernels/cuda/device/byte_tensor.cuh"
#include "kernels/cuda/device/quad.cuh"
#include "kernels/cuda/resident/bipolar.hpp"
#include "kernels/cuda/resident/resident_slots.cuh"

namespace attractor::cuda::bipolar {

/// What a launch passes to the kernel.
struct Launch {
  Layout layout;
  const std::byte* image;
  Job job;
  float scale;
  int own_squares;  ///< what Σ h² counts too much
  int starts[4];    ///< of readouts: less what they must reach for +1, where a neuron is +1, in the unit they come in
  int gap;          ///< what they must reach less where it is −1
  float most_magnitude;  ///< of queries that have taken their first step
  BipolarLaunch part;
};

/// The word moves up and takes a sign.
__device__ __forceinline__ void take_sign(unsigned& word, unsigned value) { word = __funnelshift_l(value, word, 1); }

/// The set bit of that rank; −1 where there are too few.
__device__ __forceinline__ int set_bit(unsigned bits, int rank) {
  for (int i = 0; i < rank; ++i) bits &= bits - 1;
  return __ffs(static_cast<int>(bits)) - 1;
}

__device__ __forceinline__ unsigned without_first(unsigned bits, int count) {
  for (int i = 0; i < count; ++i) bits &= bits - 1;
  return bits;
}

/// Lane t of every four gets the sum of their values[t].
__device__ __forceinline__ int sum_in_quad(const int (&values)[4], int lane) {
  const bool upper = (lane & 2) != 0;
  const bool odd = (lane & 1) != 0;
  int even_sum = upper ? values[2] : values[0];
  int odd_sum = upper ? values[3] : values[1];
  even_sum += __shfl_xor_sync(all_lanes, upper ? values[0] : values[2], 2);
  odd_sum += __shfl_xor_sync(all_lanes, upper ? values[1] : values[3], 2);
  return (odd ? odd_sum : even_sum) + __shfl_xor_sync(all_lanes, odd ? even_sum : odd_sum, 1);
}

/// Sums of 16 × 8 for the two halves of a warp's states.
using Sums = int[2][4];

/// `groups` of patterns whose scores stay in registers for a whole advance; 0: any number, read again for every 8
/// neurons.
template <int digits, int groups>
class Warp {
 public:
  __device__ Warp(const Launch& launch, std::byte* shared)
      : launch_(launch),
        layout_(launch.layout),
        job_(launch.job),
        lane_(static_cast<int>(threadIdx.x) % warp_size),
        scoring_(reinterpret_cast<const uint4*>(shared) + lane_),
        reading_(reinterpret_cast<const uint4*>(shared + layout_.readouts) + lane_),
        starts_(reinterpret_cast<const int2*>(shared + layout_.starts) + lane_ % 4),
        own_(shared + layout_.image_bytes + static_cast<int>(threadIdx.x) / warp_size * layout_.warp_bytes),
        padding_(make_padding()),
        total_(launch.part.queries.count == nullptr ? job_.queries.rows : Index{*launch.part.queries.count}),
        steps_(first_steps()) {}

  /// Steps until no query is left. States are judged as soon as all is known: after their scores where energies are
  /// wanted, else after the advance.
  __device__ void run() {
    clear();
    refill();
    while (__any_sync(all_lanes, query_ >= 0)) {
      score();
      if (job_.wants_energy) exchange(ends());
      advance();
      if (!job_.wants_energy) exchange(ends());
    }
  }

 private:
  /// With energies newcomers sit out the advance, for they have no scores.
  [[nodiscard]] __device__ __forceinline__ int first_steps() const { return job_.wants_energy ? -1 : 0; }

  // Where things lie.

  __device__ __forceinline__ uint4* states() const { return reinterpret_cast<uint4*>(own_) + lane_; }
  __device__ __forceinline__ uint4* changes() const { return reinterpret_cast<uint4*>(own_ + layout_.changes) + lane_; }
  __device__ __forceinline__ uint4* clamps() const { return reinterpret_cast<uint4*>(own_ + layout_.clamps) + lane_; }
  __device__ __forceinline__ uint4* scores() const { return reinterpret_cast<uint4*>(own_ + layout_.scores) + lane_; }

  /// The word of state `row` that the lane at this place of a quad has, the first of every `lane_states` · 32.
  __device__ __forceinline__ unsigned* word_of(int part, int row, int t) const {
    return reinterpret_cast<unsigned*>(own_ + part) + (row % 8 * 4 + t) * lane_states + row / 8;
  }

  /// States, changes and clamps: those that are idle are read, too.
  __device__ void clear() const {
    for (int at = 0; at < layout_.scores; at += fragment_bytes)
      states()[at / static_cast<int>(sizeof(uint4))] = uint4{};
    __syncwarp();
  }

  /// The bits of the lane's words that are no neurons, in the last block.
  __device__ __forceinline__ unsigned make_padding() const {
    unsigned word = 0;
    for (int bit = 0; bit < 32; ++bit)
      if (!is_neuron(layout_.blocks - 1, bit)) word |= 1U << bit;
    return word;
  }

  __device__ __forceinline__ int neuron_at(int block, int bit) const {
    return block * block_neurons + neuron_of(lane_ % 4, bit);
  }
  __device__ __forceinline__ bool is_neuron(int block, int bit) const {
    return neuron_at(block, bit) < layout_.dimension;
  }

  // The first half of a step: scores.

  __device__ __forceinline__ void score() {
    int squares[lane_states] = {};
    for (int group = 0; group < layout_.groups; ++group) {
      Sums sums[4];
      score_group(group, sums);
      if (job_.wants_energy) add_squares(sums, squares);
      uint4* const to = scores() + group * digits * 2 * warp_size;
#pragma unroll
      for (int half = 0; half < 2; ++half) store_digits(sums, half, to + half * warp_size);
    }
    if (job_.wants_energy) squares_ = of_own_state(sum_in_quad(squares, lane_));
  }

  __device__ __forceinline__ void score_group(int group, Sums (&sums)[4]) const {
#pragma unroll
    for (int tile = 0; tile < 4; ++tile) {
      const int2 start = starts_[(group * 4 + tile) * 4];
#pragma unroll
      for (auto& half : sums[tile]) {
        half[0] = half[2] = start.x;
        half[1] = half[3] = start.y;
      }
    }
    const uint4* from = scoring_ + group * layout_.blocks * group_fragments * warp_size;
#pragma unroll 1
    for (int block = 0; block < layout_.blocks; ++block, from += group_fragments * warp_size) {
      const uint4 words = states()[block * warp_size];
      add_scores(words, from, sums);
      add_scores({words.x >> 4, words.y >> 4, words.z >> 4, words.w >> 4}, from + 4 * warp_size, sums);
    }
  }

  /// Of 64 neurons: the lower four bits of every byte.
  __device__ __forceinline__ static void add_scores(const uint4& words, const uint4* from, Sums (&sums)[4]) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const unsigned first = 0x01010101U << (2 * i);
      const unsigned second = first << 1;
      const uint4 rows[2] = {{words.x & first, words.y & first, words.x & second, words.y & second},
                             {words.z & first, words.w & first, words.z & second, words.w & second}};
#pragma unroll
      for (int pair = 0; pair < 2; ++pair) {
        const uint4 columns = from[(2 * i + pair) * warp_size];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          int(&even)[4] = sums[2 * pair][half];
          int(&odd)[4] = sums[2 * pair + 1][half];
          multiply_add<Bytes::with_signs>(even, rows[half], columns.x, columns.y, even);
          multiply_add<Bytes::with_signs>(odd, rows[half], columns.z, columns.w, odd);
        }
      }
    }
  }

  __device__ __forceinline__ static void add_squares(const Sums (&sums)[4], int (&squares)[lane_states]) {
#pragma unroll
    for (int tile = 0; tile < 4; ++tile)
#pragma unroll
      for (int state = 0; state < lane_states; ++state)
#pragma unroll
        for (int column = 0; column < 2; ++column) {
          const int score = sums[tile][state / 2][state % 2 * 2 + column] >> 2;
          squares[state] += score * score;
        }
  }

  /// The digits of a half's scores as left operands, the high ones behind the low ones.
  __device__ __forceinline__ void store_digits(const Sums (&sums)[4], int half, uint4* to) const {
    unsigned low[4];
    unsigned high[4];
#pragma unroll
    for (int row = 0; row < 2; ++row)
#pragma unroll
      for (int operand = 0; operand < 2; ++operand) {
        const unsigned first = digits_of(sums[2 * operand][half], row);
        const unsigned second = digits_of(sums[2 * operand + 1][half], row);
        low[2 * operand + row] = __byte_perm(first, second, 0x5410);
        high[2 * operand + row] = __byte_perm(first, second, 0x7632);
      }
    *to = {low[0], low[1], low[2], low[3]};
    if constexpr (digits == 2) to[2 * warp_size] = {high[0], high[1], high[2], high[3]};
  }

  /// Of two neighbours in a row: their low ones, then their high ones.
  __device__ __forceinline__ unsigned digits_of(const int (&sums)[4], int row) const {
    const int shift = digits == 1 ? layout_.shift : 0;
    return __byte_perm(static_cast<unsigned>(sums[2 * row] >> shift), static_cast<unsigned>(sums[2 * row + 1] >> shift),
                       0x5140);
  }

  // The second half of a step: new states.

  __device__ __forceinline__ void advance() {
    const unsigned waiting = __ballot_sync(all_lanes, steps_ < 0);
    Scores held[groups == 0 ? 1 : groups];
#pragma unroll
    for (int group = 0; group < groups; ++group) held[group] = load_scores(group);
    int outcomes[lane_states] = {};
    for (int block = 0; block < layout_.blocks; ++block) {
      unsigned after_positive[lane_states] = {};
      unsigned after_negative[lane_states] = {};
#pragma unroll 1
      for (int byte = 3; byte >= 0; --byte) read_out(block, byte, held, after_positive, after_negative);
      settle(block, waiting, after_positive, after_negative, outcomes);
    }
    const int outcome = of_own_state(sum_in_quad(outcomes, lane_));
    changed_ = outcome % unlike;
    returned_ = outcome < unlike;
  }

  /// Left operands of a group's readouts: low digits of both halves, then high ones.
  struct Scores {
    uint4 rows[2 * digits];
  };

  __device__ __forceinline__ Scores load_scores(int group) const {
    Scores loaded;
#pragma unroll
    for (int i = 0; i < 2 * digits; ++i) loaded.rows[i] = scores()[(group * 2 * digits + i) * warp_size];
    return loaded;
  }

  /// Eight neurons of each of the lane's states: one byte of their words.
  template <int count>
  __device__ __forceinline__ void read_out(int block, int byte, const Scores (&held)[count],
                                           unsigned (&after_positive)[lane_states],
                                           unsigned (&after_negative)[lane_states]) const {
    Sums low[4];
    Sums high[4];
    const int group_count = groups == 0 ? layout_.groups : groups;
    const auto scores_of = [&](int group) { return groups == 0 ? load_scores(group) : held[group % count]; };
    const uint4* from = reading_ + (block * 4 + byte) * group_count * 2 * warp_size;
    read_group<Start::yes>(from, scores_of(0), low, high);
#pragma unroll(groups == 0 ? 1 : groups)
    for (int group = 1; group < group_count; ++group)
      read_group<Start::no>(from += 2 * warp_size, scores_of(group), low, high);
#pragma unroll
    for (int tile = 3; tile >= 0; --tile)
#pragma unroll
      for (int state = 0; state < lane_states; ++state)
#pragma unroll
        for (int column = 1; column >= 0; --column) {
          const int i = state % 2 * 2 + column;
          const int excess = low[tile][state / 2][i] + (digits == 2 ? high[tile][state / 2][i] * 256 : 0);
          take_sign(after_positive[state], static_cast<unsigned>(excess));
          take_sign(after_negative[state], static_cast<unsigned>(excess + launch_.gap));
        }
  }

  /// Whether a group of patterns is the first: sums start from what readouts must reach.
  enum class Start : bool { no, yes };

  template <Start start>
  __device__ __forceinline__ void read_group(const uint4* from, const Scores& scores, Sums (&low)[4],
                                             Sums (&high)[4]) const {
    constexpr Bytes lowest = digits == 1 ? Bytes::with_signs : Bytes::without_signs;
    constexpr int zeros[4] = {};
    const uint4 columns[2] = {from[0], from[warp_size]};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      add_readouts<lowest, start>(scores.rows[half], columns, half, launch_.starts, low);
      if constexpr (digits == 2)
        add_readouts<Bytes::with_signs, start>(scores.rows[2 + half], columns, half, zeros, high);
    }
  }

  template <Bytes bytes, Start start>
  __device__ __forceinline__ static void add_readouts(const uint4& rows, const uint4 (&columns)[2], int half,
                                                      const int (&starts)[4], Sums (&sums)[4]) {
#pragma unroll
    for (int tile = 0; tile < 4; ++tile) {
      int(&own)[4] = sums[tile][half];
      const uint4& pair = columns[tile / 2];
      const unsigned first = tile % 2 == 0 ? pair.x : pair.z;
      const unsigned second = tile % 2 == 0 ? pair.y : pair.w;
      if constexpr (start == Start::yes)
        multiply_add<bytes>(own, rows, first, second, starts);
      else
        multiply_add<bytes>(own, rows, first, second, own);
    }
  }

  /// Puts new words in the place of old ones. States that wait stay as they are. Outcomes count the neurons that
  /// change, and `unlike` for each word where these aren't those of the step before.
  __device__ __forceinline__ void settle(int block, unsigned waiting, const unsigned (&after_positive)[lane_states],
                                         const unsigned (&after_negative)[lane_states],
                                         int (&outcomes)[lane_states]) const {
    const unsigned none = block == layout_.blocks - 1 ? padding_ : 0;
    const bool clamped = job_.clamped.data != nullptr;
    uint4 now = states()[block * warp_size];
    uint4 changed = changes()[block * warp_size];
    const uint4 kept = clamped ? clamps()[block * warp_size] : uint4{};
    unsigned* const words[lane_states] = {&now.x, &now.y, &now.z, &now.w};
    unsigned* const before[lane_states] = {&changed.x, &changed.y, &changed.z, &changed.w};
    const unsigned keep[lane_states] = {kept.x, kept.y, kept.z, kept.w};
#pragma unroll
    for (int state = 0; state < lane_states; ++state) {
      const unsigned old = *words[state];
      const unsigned next = (after_positive[state] & ~old) | (after_negative[state] & old);
      const bool waits = (waiting >> (8 * state + lane_ / 4) & 1U) != 0;
      const unsigned change = waits ? 0 : (next ^ old) & ~(keep[state] | none);
      outcomes[state] += __popc(change) + (change == *before[state] ? 0 : unlike);
      *words[state] = old ^ change;
      *before[state] = change;
    }
    states()[block * warp_size] = now;
    changes()[block * warp_size] = changed;
  }

  /// From what lanes have of the states in their place of a quad.
  __device__ __forceinline__ int of_own_state(int value) const {
    return __shfl_sync(all_lanes, value, lane_ % 8 * 4 + lane_ / 8);
  }

  // Halting: lane i judges state i.

  /// Whether the lane's query has come to its end. Writes its numbers.
  __device__ __forceinline__ bool ends() {
    if (query_ < 0) return false;
    const int t = ++steps_ + (launch_.part.stepped ? 1 : 0);
    if (t == 0) return false;
    const double energy =
        -0.5 * static_cast<double>(launch_.scale) * static_cast<double>(squares_ - launch_.own_squares);
    // A step before these is known by its energy alone; it changed something, and not what the next one does.
    const bool known = steps_ > 0;
    return resident::ends(job_, query_, t, {true, known ? 4.0 * changed_ : HUGE_VAL, returned_ && steps_ > 1}, energy,
                          judge_);
  }

  // Exchange of queries, a quad for each state that moves, eight at a time.

  /// Writes the states of queries that have ended and takes new ones in their place.
  __device__ __forceinline__ void exchange(bool ended) {
    const unsigned departing = __ballot_sync(all_lanes, ended);
    if (departing == 0) return;
    __syncwarp();
    for_each_state(departing, [&](int row, Index query) {
      if (row >= 0) store_state(row, query);
    });
    if (ended) {
      query_ = -1;
      steps_ = first_steps();
    }
    refill();
  }

  /// Calls visit(row, query) in all lanes: with −1 where there is none for their quad.
  template <class Visit>
  __device__ __forceinline__ void for_each_state(unsigned rows, Visit&& visit) const {
    for (unsigned left = rows; left != 0; left = without_first(left, 8)) {
      const int row = set_bit(left, lane_ / 4);
      visit(row, __shfl_sync(all_lanes, query_, max(row, 0)));
    }
    __syncwarp();
  }

  /// Gives idle states the next queries. Those that aren't ±1 are left to another kernel.
  __device__ void refill() {
    unsigned rejected = 0;
    do {
      const unsigned idle = __ballot_sync(all_lanes, query_ < 0);
      const Index first = reserve(__popc(idle));
      const Index mine = first + __popc(idle & ((1U << lane_) - 1));
      const bool arrives = query_ < 0 && mine < total_;
      if (arrives) {
        const unsigned* const listed = launch_.part.queries.rows;
        query_ = listed == nullptr ? mine : Index{listed[mine]};
        steps_ = first_steps();
        judge_ = detail::EndJudge{};
      }
      rejected = 0;
      for_each_state(__ballot_sync(all_lanes, arrives), [&](int row, Index query) {
        const unsigned others = __ballot_sync(all_lanes, row >= 0 && !load_state(row, query));
        const bool rejects = (others >> (lane_ & ~3) & 0xFU) != 0;
        rejected |= of_all_quads(rejects ? 1U << row : 0);
      });
      if ((rejected >> lane_ & 1U) != 0) {
        const ListedRows& others = launch_.part.left;
        others.rows[atomicAdd(others.count, 1U)] = static_cast<unsigned>(query_);
        query_ = -1;
      }
    } while (rejected != 0);
  }

  /// The bits that quads have, together.
  __device__ __forceinline__ static unsigned of_all_quads(unsigned bits) {
#pragma unroll
    for (int distance = 4; distance < warp_size; distance *= 2) bits |= __shfl_xor_sync(all_lanes, bits, distance);
    return bits;
  }

  /// The first of `count` queries that no other warp gets; they may lie past the last one.
  __device__ __forceinline__ Index reserve(int count) {
    if (count == 0 || exhausted_) return total_;
    unsigned long long first = 0;
    if (lane_ == 0) first = atomicAdd(launch_.part.next_query, static_cast<unsigned long long>(count));
    first = __shfl_sync(all_lanes, first, 0);
    exhausted_ = static_cast<Index>(first) + count >= total_;
    return static_cast<Index>(first);
  }

  /// The lane's neurons of a query become its words. False if one isn't ±1, or it has not always been small enough.
  __device__ __forceinline__ bool load_state(int row, Index query) const {
    const std::byte* const packed = job_.packed_queries.data == nullptr ? nullptr : job_.packed_queries.row(query);
    bool bipolar = true;
    for (int block = 0; block < layout_.blocks; ++block) {
      const unsigned word = launch_.part.stepped ? read_floats(job_.states.row(query), block, bipolar)
                            : packed == nullptr  ? read_floats(job_.queries.row(query), block, bipolar)
                            : job_.packed_queries.format == RowFormat::int8 ? read_bytes(packed, block, bipolar)
                                                                            : read_bits(packed, block);
      if (launch_.part.stepped && packed == nullptr) bipolar &= is_small(job_.queries.row(query), block);
      word_of(0, row, lane_ % 4)[block * warp_size * lane_states] = word;
      if (job_.clamped.data != nullptr)
        word_of(layout_.clamps, row, lane_ % 4)[block * warp_size * lane_states] = clamped_neurons(query, block);
    }
    return bipolar;
  }

  __device__ __forceinline__ unsigned read_floats(const float* values, int block, bool& bipolar) const {
    unsigned word = 0;
    unsigned strange = 0;
#pragma unroll
    for (int bit = 28; bit >= 0; bit -= 4) {
      const float4 four = load_four(values, neuron_at(block, bit));
#pragma unroll
      for (int i = 3; i >= 0; --i) {
        const unsigned value = __float_as_uint(element(four, i));
        strange |= (value ^ one) & ~sign;
        take_sign(word, value);
      }
    }
    bipolar &= strange == 0;
    return word;
  }

  __device__ __forceinline__ bool is_small(const float* values, int block) const {
    bool small = true;
    for (int bit = 0; bit < 32; bit += 4) {
      const float4 four = load_four(values, neuron_at(block, bit));
#pragma unroll
      for (int i = 0; i < 4; ++i) small &= fabsf(element(four, i)) <= launch_.most_magnitude;
    }
    return small;
  }

  __device__ __forceinline__ unsigned read_bytes(const std::byte* values, int block, bool& bipolar) const {
    const auto* const numbers = reinterpret_cast<const std::int8_t*>(values);
    unsigned word = 0;
    for (int bit = 31; bit >= 0; --bit) {
      const int value = is_neuron(block, bit) ? numbers[neuron_at(block, bit)] : 1;
      bipolar &= value == 1 || value == -1;
      take_sign(word, static_cast<unsigned>(value));
    }
    return word;
  }

  /// Half a byte for every four neurons, the first in its highest bit and 1 for +1.
  __device__ __forceinline__ unsigned read_bits(const std::byte* bytes, int block) const {
    unsigned word = 0;
#pragma unroll
    for (int bit = 0; bit < 32; bit += 4) {
      const int neuron = neuron_at(block, bit);
      const unsigned byte = neuron < layout_.dimension ? static_cast<unsigned>(bytes[neuron / 8]) : 0xFFU;
      word |= (byte >> (4 - neuron % 8) & 0xFU) << (28 - bit);
    }
    return ~__brev(word);
  }

  __device__ __forceinline__ unsigned clamped_neurons(Index query, int block) const {
    const std::uint8_t* const clamped = job_.clamped.row(query);
    unsigned word = 0;
    for (int bit = 0; bit < 32; ++bit)
      if (is_neuron(block, bit) && clamped[neuron_at(block, bit)] != 0) word |= 1U << bit;
    return word;
  }

  __device__ __forceinline__ void store_state(int row, Index query) const {
    std::byte* const packed = job_.packed_states.data == nullptr ? nullptr : job_.packed_states.row(query);
    for (int block = 0; block < layout_.blocks; ++block) {
      const auto word = [&](int t) { return word_of(0, row, t)[block * warp_size * lane_states]; };
      if (packed == nullptr)
        write_floats(word(lane_ % 4), block, job_.states.row(query));
      else if (job_.packed_states.format == RowFormat::int8)
        write_bytes(word(lane_ % 4), block, packed);
      else
        write_bits(word(lane_ % 4 / 2 * 2), word(lane_ % 4 / 2 * 2 + 1), block, packed);
    }
  }

  __device__ __forceinline__ void write_floats(unsigned word, int block, float* values) const {
#pragma unroll
    for (int bit = 0; bit < 32; bit += 4)
      store_four(values, neuron_at(block, bit),
                 {value_of(word, bit), value_of(word, bit + 1), value_of(word, bit + 2), value_of(word, bit + 3)});
  }

  __device__ __forceinline__ static float value_of(unsigned word, int bit) {
    return __uint_as_float((word << (31 - bit) & sign) | one);
  }

  __device__ __forceinline__ void write_bytes(unsigned word, int block, std::byte* values) const {
    for (int bit = 0; bit < 32; ++bit)
      if (is_neuron(block, bit))
        values[neuron_at(block, bit)] = (word >> bit & 1U) != 0 ? std::byte{0xFF} : std::byte{1};
  }

  /// A pair of lanes has a byte's halves; each writes every other byte. Past the last neuron bits are 0.
  __device__ __forceinline__ void write_bits(unsigned even, unsigned odd, int block, std::byte* bytes) const {
    for (int bit = lane_ % 2 * 16; bit < lane_ % 2 * 16 + 16; bit += 4) {
      const int neuron = block * block_neurons + neuron_of(lane_ % 4 / 2 * 2, bit);
      if (neuron >= layout_.dimension) continue;
      const unsigned negative = (even >> bit & 0xFU) | (odd >> bit & 0xFU) << 4;
      const int none = max(neuron + 8 - layout_.dimension, 0);
      bytes[neuron / 8] = static_cast<std::byte>(~__brev(negative) >> 24 >> none << none);
    }
  }

  /// Neighbouring neurons can be moved together.
  template <class T>
  __device__ __forceinline__ bool are_together(const T* row, int neuron) const {
    return neuron + 4 <= layout_.dimension && reinterpret_cast<std::uintptr_t>(row) % sizeof(float4) == 0;
  }

  /// What are no neurons are +1.
  __device__ __forceinline__ float4 load_four(const float* row, int neuron) const {
    if (are_together(row, neuron)) return load_passing4(row + neuron);
    const auto value = [&](int i) { return neuron + i < layout_.dimension ? row[neuron + i] : 1.0F; };
    return {value(0), value(1), value(2), value(3)};
  }

  __device__ __forceinline__ void store_four(float* row, int neuron, const float4& values) const {
    if (are_together(row, neuron)) return store_passing4(row + neuron, values);
    for (int i = 0; i < 4; ++i)
      if (neuron + i < layout_.dimension) row[neuron + i] = element(values, i);
  }

  static constexpr unsigned one = 0x3F800000;  ///< the bits of 1.0F
  static constexpr unsigned sign = 0x80000000;
  /// Of an outcome: more than there are neurons.
  static constexpr int unlike = 1 << 13;

  const Launch& launch_;
  const Layout& layout_;
  const Job& job_;
  int lane_;
  const uint4* scoring_;  ///< fragments
  const uint4* reading_;
  const int2* starts_;
  std::byte* own_;    ///< the warp's memory
  unsigned padding_;  ///< bits that are no neurons, in the last block
  Index total_;       ///< queries of all warps

  // Of state `lane`.
  Index query_ = -1;
  int steps_;
  detail::EndJudge judge_;
  int squares_ = 0;  ///< Σ h²
  int changed_ = 0;  ///< neurons
  bool returned_ = false;

  bool exhausted_ = false;
};

}  // namespace attractor::cuda::bipolar
