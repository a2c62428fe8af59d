#pragma once

/// Queries in a file, however large, a part of them at a time.

#include <functional>
#include <string>

#include "host/command/command.hpp"
#include "host/command/interruption.hpp"
#include "host/command/run.hpp"

namespace attractor::command {

/// What the parts that work on queries may be told.
struct BatchOptions {
  Common common;
  std::string memory;
  std::string queries;
  bool bits = false;     ///< queries are packed bits
  std::string shard;     ///< "i/n"; empty: all of them
  Index chunk_mib = 64;  ///< of queries and results at a time
  bool restarts = false;
};

void add_batch(CLI::App& app, BatchOptions& options);

/// Some of the queries, and of the outputs' rows.
struct Chunk {
  QueryView queries;
  Index first;  ///< of the outputs' rows
  Index count;
  std::function<void(const Progress&)> progress;
  std::stop_token stop;
};

/// A memory, and queries for it.
class Batch {
 public:
  /// @throws FileError, InvalidArgument queries that the memory doesn't take; the message names both files.
  explicit Batch(const BatchOptions& options);

  [[nodiscard]] const Memory& memory() const { return memory_; }
  [[nodiscard]] Index rows() const { return end_ - first_; }  ///< of the shard

  /// Where an output goes: with a shard's number before the ending, so that shards don't write into one file.
  [[nodiscard]] fs::path place_of(const std::string& output) const;

  /// What makes a run of this batch another one than others; more belongs to it.
  [[nodiscard]] Json job() const;

  /// Calls work(chunk, totals) for the rows that the run hasn't done, one chunk after another; it writes the outputs'
  /// rows of the chunk, and adds to the totals. `row_bytes`: what a row of the outputs takes. False: it was
  /// interrupted, and has said so.
  bool for_each_chunk(Run& run, Index row_bytes, const Interruption& interruption,
                      const std::function<void(const Chunk& chunk, Json& totals)>& work);

 private:
  [[nodiscard]] Index bytes_of_query() const;

  const BatchOptions& options_;
  Memory memory_;
  ArrayFile file_;
  Index first_ = 0;  ///< rows of the file
  Index end_ = 0;
  Index shard_ = 0;
  Index shards_ = 1;
};

}  // namespace attractor::command
