#include "kernels/cpu/engine/lanes.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <variant>

namespace attractor::cpu {
namespace {

/// Neurons that are moved at a time: one cache line of each row, and a part of the tile that stays in the first-level
/// cache while all rows pass.
constexpr Index strip = 16;

/// Calls move(i) for count ≤ strip values; a full strip has a constant length, so that its loop unrolls.
template <class Move>
void for_strip(Index count, const Move& move) {
  if (count == strip) {
    for (Index i = 0; i < strip; ++i) move(i);
  } else {
    for (Index i = 0; i < count; ++i) move(i);
  }
}

template <class T>
void permute(T* values, LaneOrder order) {
  LaneArray<T> before;
  std::copy_n(values, order.size(), before.begin());
  for (std::size_t i = 0; i < order.size(); ++i) values[i] = before[order[i]];
}

void permute_rows(float* rows, Index count, Index width, LaneOrder order) {
  for (Index i = 0; i < count; ++i) permute(rows + i * width, order);
}

/// Calls visit(values) for what a tile holds of its queries beside states and masks.
template <class Visit>
void visit_query_values(Tile& tile, const Visit& visit) {
  visit(tile.magnitude);
  visit(tile.valid);
  visit(tile.log_prior);
  visit(tile.beta);
  visit(tile.quadratic.high);
  visit(tile.quadratic.low);
}

/// Writes count ≤ strip values from `first` on, a multiple of strip; value(i) is the i-th of them.
template <class Value>
void write_strip(float* row, Index first, Index count, const Value& value) {
  for_strip(count, [&](Index i) { row[first + i] = value(i); });
}

template <detail::NarrowFloat Narrow, class Value>
void write_strip(Narrow* row, Index first, Index count, const Value& value) {
  for_strip(count, [&](Index i) { row[first + i] = Narrow(value(i)); });
}

/// The values are whole numbers, or NaN.
template <class Value>
void write_strip(std::int8_t* row, Index first, Index count, const Value& value) {
  for_strip(count, [&](Index i) {
    const float x = value(i);
    row[first + i] = static_cast<std::int8_t>(std::isnan(x) ? 0.0F : x);
  });
}

/// The values are ±1, or NaN.
template <class Value>
void write_strip(detail::BitResultRow row, Index first, Index count, const Value& value) {
  static_assert(strip == 16);
  unsigned bits = 0;
  for_strip(count, [&](Index i) { bits |= (value(i) > 0.0F ? 0x8000U : 0U) >> static_cast<unsigned>(i); });
  row.bytes[first / 8] = static_cast<std::uint8_t>(bits >> 8U);
  if (count > 8) row.bytes[first / 8 + 1] = static_cast<std::uint8_t>(bits);
}

/// Magnitudes are ordered as their bits are, and NaN lies past infinity. Integers, and several at a time, so that the
/// loop is free of a chain of maxima.
float largest_of(const float* values, Index count) {
  const auto magnitude = [](float value) { return std::bit_cast<std::int32_t>(value) & 0x7fffffff; };
  std::array<std::int32_t, strip> largest{};
  Index i = 0;
  for (; i + strip <= count; i += strip)
    for (Index k = 0; k < strip; ++k)
      largest[static_cast<std::size_t>(k)] = std::max(largest[static_cast<std::size_t>(k)], magnitude(values[i + k]));
  for (; i < count; ++i) largest[0] = std::max(largest[0], magnitude(values[i]));
  return std::bit_cast<float>(*std::max_element(largest.begin(), largest.end()));
}

/// Those of 16 bits are ordered likewise.
template <detail::NarrowFloat Narrow>
float largest_of(const Narrow* values, Index count) {
  Narrow largest(0.0F);
  for (Index i = 0; i < count; ++i)
    largest.bits = std::max(largest.bits, static_cast<std::uint16_t>(values[i].bits & 0x7fffU));
  return static_cast<float>(largest);
}

float largest_of(const std::int8_t* values, Index count) {
  int largest = 0;
  for (Index i = 0; i < count; ++i) largest = std::max(largest, std::abs(int{values[i]}));
  return static_cast<float>(largest);
}

float largest_of(detail::BitRow /*values*/, Index count) { return count > 0 ? 1.0F : 0.0F; }

/// A lane's column and the row that it is copied from or to.
template <class Row>
struct Pair {
  Index lane;
  Row row;
};

/// Of arrivals or departures of this format, at most most_lanes, so that loops over them needn't ask for it.
template <class Row, class Moves, class RowOf>
std::array<Pair<Row>, most_lanes> pairs_of(const Moves& moves, const RowOf& row_of) {
  std::array<Pair<Row>, most_lanes> pairs;
  std::transform(moves.begin(), moves.end(), pairs.begin(), [&](const auto& move) {
    return Pair<Row>{move.lane, *std::get_if<Row>(&row_of(move))};
  });
  return pairs;
}

template <class Row>
void load_rows(std::span<const Arrival> arrivals, Tile& tile) {
  const auto all = pairs_of<Row>(
      arrivals, [](const Arrival& arrival) -> const auto& { return arrival.query; });
  const auto pairs = std::span(all).first(arrivals.size());
  const Index width = tile.width;
  for (Index first = 0; first < tile.dimension; first += strip) {
    for (const Pair<Row>& pair : pairs) {
      const Row from = pair.row;
      float* const to = tile.column(pair.lane) + first * width;
      for_strip(std::min(strip, tile.dimension - first),
                [&](Index i) { to[i * width] = static_cast<float>(from[first + i]); });
    }
  }
}

template <class Row>
void store_rows(std::span<const Departure> departures, const float* lanes, Index count, Index width) {
  const auto all = pairs_of<Row>(
      departures, [](const Departure& departure) -> const auto& { return departure.result; });
  const auto pairs = std::span(all).first(departures.size());
  for (Index first = 0; first < count; first += strip) {
    for (const Pair<Row>& pair : pairs) {
      const float* const from = lanes + pair.lane + first * width;
      write_strip(pair.row, first, std::min(strip, count - first), [&](Index i) { return from[i * width]; });
    }
  }
}

constexpr float mask_bits(bool set) { return std::bit_cast<float>(set ? ~std::uint32_t{0} : std::uint32_t{0}); }

}  // namespace

void set_mask(LaneArray<float>& mask, Index lane, bool value) {
  mask[static_cast<std::size_t>(lane)] = mask_bits(value);
}

/// An exponent of all ones, plus one, carries into the sign bit. Integers, so that the loop is free of a chain of sums.
bool all_finite(const detail::QueryRow& row, Index count) {
  const float* const* const values = std::get_if<const float*>(&row);
  if (values == nullptr) return std::isfinite(largest_magnitude(row, count));
  std::uint32_t carries = 0;
  for (Index i = 0; i < count; ++i) carries |= (std::bit_cast<std::uint32_t>((*values)[i]) & 0x7f800000U) + 0x00800000U;
  return (carries >> 31U) == 0;
}

float largest_magnitude(const detail::QueryRow& row, Index count) {
  return std::visit([&](auto values) { return largest_of(values, count); }, row);
}

void load_lanes(std::span<const Arrival> arrivals, Tile& tile) {
  if (arrivals.empty()) return;
  std::visit([&]<class Row>(const Row& /*first*/) { load_rows<Row>(arrivals, tile); }, arrivals.front().query);
  for (const Arrival& arrival : arrivals)
    for (Index i = tile.dimension; i < tile.rows; ++i) tile.column(arrival.lane)[i * tile.width] = 0.0F;
}

void store_lanes(std::span<const Departure> departures, const float* lanes, Index count, Index width) {
  if (departures.empty()) return;
  std::visit([&]<class Row>(const Row& /*first*/) { store_rows<Row>(departures, lanes, count, width); },
             departures.front().result);
}

void copy_row(const detail::QueryRow& from, const detail::ResultRow& to, Index count) {
  const auto copy = [&](auto source, auto target) {
    for (Index first = 0; first < count; first += strip)
      write_strip(target, first, std::min(strip, count - first),
                  [&](Index i) { return static_cast<float>(source[first + i]); });
  };
  std::visit(copy, from, to);
}

void permute_lanes(Tile& tile, LaneOrder order) {
  permute_rows(tile.state.data(), tile.rows, tile.width, order);
  if (tile.clamped) permute_rows(tile.clamps.data(), tile.rows, tile.width, order);
  if (tile.wants_return) permute_rows(tile.earlier.data(), tile.rows, tile.width, order);
  permute(tile.idle.data(), order);
  visit_query_values(tile, [&](auto& values) { permute(values.data(), order); });
}

void copy_query_values(Tile& tile, Index from, Index to) {
  if (tile.clamped) copy_lane(tile.clamps.data() + from, tile.clamps.data() + to, tile.rows, tile.width);
  visit_query_values(
      tile, [&](auto& values) { values[static_cast<std::size_t>(to)] = values[static_cast<std::size_t>(from)]; });
}

void copy_lane(const float* from, float* to, Index rows, Index width) {
  for (Index i = 0; i < rows; ++i) to[i * width] = from[i * width];
}

void set_pattern_terms(Tile& tile, Index lane, const detail::PatternTerms& terms, Index query) {
  const auto at = static_cast<std::size_t>(lane);
  tile.valid[at] = terms.valid.data == nullptr ? nullptr : terms.valid.row(query);
  tile.log_prior[at] = terms.log_prior.data == nullptr ? nullptr : terms.log_prior.row(query);
}

void load_clamps(const std::uint8_t* row, Index count, float* lane, Index width) {
  for (Index i = 0; i < count; ++i) lane[i * width] = mask_bits(row[i] != 0);
}

}  // namespace attractor::cpu
