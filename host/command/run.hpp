#pragma once

/// One run over the rows of a file, which goes on where it was interrupted: what it has written, and how far it is.

#include <memory>
#include <string>
#include <vector>

#include "host/command/command.hpp"

namespace attractor::command {

/// The outputs lie beside their places, as NAME.part, until all rows are there. A small file, NAME.progress beside the
/// first of them, says for which rows they are, and of what run: after a crash at any moment its rows are on the disk.
class Run {
 public:
  /// `job`: what makes this run another one than others. One that was interrupted is gone on with if its job was the
  /// same; with `restarts` it is forgotten.
  ///
  /// @throws InvalidArgument the one that was interrupted was another. @throws FileError
  Run(const fs::path& first_output, Json job, bool restarts);

  /// An output of so many rows; `columns` 0: of one dimension. All before the first `advance`. @throws FileError
  ArrayFile& add(const fs::path& path, ElementType type, Index rows, Index columns);

  /// Rows that are done, and what was told with the last of them.
  [[nodiscard]] Index done() const { return done_; }
  [[nodiscard]] const Json& totals() const { return totals_; }

  /// The rows up to `done` are written. @throws FileError
  void advance(Index done, const Json& totals);

  /// Puts the outputs in their places. @throws FileError
  void complete();

 private:
  struct Output {
    fs::path path;
    fs::path part;
    ArrayFile file;
  };

  void write_progress() const;

  fs::path progress_;
  Json job_;
  Index done_ = 0;
  Json totals_ = Json::object();
  bool goes_on_ = false;
  std::vector<std::unique_ptr<Output>> outputs_;
};

}  // namespace attractor::command
