#include "host/command/batch.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <system_error>
#include <utility>

#include "host/command/progress_bar.hpp"

namespace attractor::command {
namespace {

/// What tells a file from another one, or from what it was before.
Json about_file(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) throw FileError(path + " can't be read: " + error.message());
  const auto changed = fs::last_write_time(path, error);
  if (error) throw FileError(path + " can't be read: " + error.message());
  return {{"path", fs::absolute(path).lexically_normal().string()},
          {"bytes", size},
          {"changed", changed.time_since_epoch().count()}};
}

/// "2/8": the third of eight. @throws InvalidArgument
std::pair<Index, Index> parse_shard(const std::string& text) {
  Index index = 0;
  Index count = 1;
  if (text.empty()) return {index, count};
  const char* const end = text.data() + text.size();
  const auto [slash, first_error] = std::from_chars(text.data(), end, index);
  const bool has_slash = first_error == std::errc() && slash != end && *slash == '/';
  const auto [last, second_error] =
      has_slash ? std::from_chars(slash + 1, end, count) : std::from_chars_result{end, std::errc::invalid_argument};
  if (second_error != std::errc() || last != end || count < 1 || index < 0 || index >= count)
    throw InvalidArgument("the shard \"" + text + "\" is none: it must be i/n with 0 ≤ i < n");
  return {index, count};
}

}  // namespace

void add_batch(CLI::App& app, BatchOptions& options) {
  app.add_option("memory", options.memory, "a file that `attractor make` or the library has saved")->required();
  app.add_option("queries", options.queries, "a .npy file [B × D]; float32, float16 and int8 are read where they lie")
      ->required();
  app.add_flag("--bits", options.bits, "queries are of ±1, packed as numpy.packbits packs them: uint8 [B × D/8]");
  app.add_option("--shard", options.shard,
                 "i/n: the i-th of n parts of the queries, from 0 on; the outputs' names get .i-of-n");
  app.add_option("--chunk", options.chunk_mib, "MiB of queries and results at a time")
      ->check(CLI::Range(Index{1}, Index{1} << 20))
      ->capture_default_str();
  app.add_flag("--restart", options.restarts, "begin anew, also where an interrupted run could be gone on with");
  add_common(app, options.common);
}

Batch::Batch(const BatchOptions& options)
    : options_(options), memory_(load(Device::named(options.common.device), options.memory)), file_(options.queries) {
  const Index dimension = memory_.dimension();
  if (options.bits) {
    static_cast<void>(file_.bits(dimension));
  } else if (file_.dimensions() != 2 || file_.columns() != dimension) {
    throw InvalidArgument("the queries in " + options.queries + " have " +
                          (file_.dimensions() == 2 ? std::to_string(file_.columns()) + " columns" : "one dimension") +
                          ", the memory in " + options.memory + " has the dimension " + std::to_string(dimension));
  }
  std::tie(shard_, shards_) = parse_shard(options.shard);
  // Without the product of both, which may not be a number.
  const Index whole = file_.rows() / shards_;
  const Index rest = file_.rows() % shards_;
  first_ = shard_ * whole + std::min(shard_, rest);
  end_ = first_ + whole + (shard_ < rest ? 1 : 0);
}

fs::path Batch::place_of(const std::string& output) const {
  if (options_.shard.empty()) return output;
  const fs::path path = output;
  fs::path result = path.parent_path() / path.stem();
  result += "." + std::to_string(shard_) + "-of-" + std::to_string(shards_);
  result += path.extension();
  return result;
}

Json Batch::job() const {
  return {{"version", 1},
          {"memory", about_file(options_.memory)},
          {"queries", about_file(options_.queries)},
          {"bits", options_.bits},
          {"shard", options_.shard},
          {"device", memory_.device().description()}};
}

Index Batch::bytes_of_query() const {
  return options_.bits ? bytes_of_bits(memory_.dimension()) : memory_.dimension() * Index{sizeof(float)};
}

bool Batch::for_each_chunk(Run& run, Index row_bytes, const Interruption& interruption,
                           const std::function<void(const Chunk& chunk, Json& totals)>& work) {
  constexpr Index mib = Index{1} << 20;
  const Index chunk = std::max(options_.chunk_mib * mib / (bytes_of_query() + row_bytes), Index{1});
  const bool on_host = memory_.device().kind() == Device::Kind::cpu;
  ProgressBar bar(rows(), options_.common.quiet);
  bar.show(run.done());
  while (run.done() < rows()) {
    const Index first = run.done();
    const Index count = std::min(chunk, rows() - first);
    std::optional<Matrix<float>> converted;
    QueryView queries;
    if (options_.bits && on_host) {
      queries = file_.bits(memory_.dimension()).slice(first_ + first, count);
    } else if (options_.bits) {
      queries = converted.emplace(from_bits(file_.bits(memory_.dimension()).slice(first_ + first, count)));
    } else if (file_.type() == ElementType::float32 || (on_host && file_.holds_queries())) {
      queries = file_.queries().slice(first_ + first, count);
    } else {
      queries = converted.emplace(file_.floats(first_ + first, count));
    }
    Json totals = run.totals();
    work({.queries = queries,
          .first = first,
          .count = count,
          .progress = [&](const Progress& progress) { bar.show(first + progress.finished); },
          .stop = interruption.token()},
         totals);
    // What a stop has left undone is done anew.
    if (interruption.token().stop_requested()) {
      std::fprintf(stderr, "attractor: interrupted after %s of %s queries; the same command goes on\n",
                   grouped(run.done()).c_str(), grouped(rows()).c_str());
      return false;
    }
    file_.release(first_ + first, count);
    run.advance(first + count, totals);
    bar.show(run.done());
  }
  return true;
}

}  // namespace attractor::command
