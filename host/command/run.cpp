#include "host/command/run.hpp"

#include <fstream>
#include <system_error>
#include <utility>

#include "host/src/replacement.hpp"

namespace attractor::command {
namespace {

fs::path with(const fs::path& path, const char* ending) {
  fs::path result = path;
  result += ending;
  return result;
}

Json read_progress(const fs::path& path) {
  std::ifstream file(path);
  if (!file) throw FileError(path.string() + " can't be read");
  try {
    return Json::parse(file);
  } catch (const Json::exception& error) {
    throw FileError(path.string() + " isn't what an interrupted run leaves; --restart begins anew: " + error.what());
  }
}

/// The first setting that isn't the same, as "threads was 1 and is 2".
std::string difference(const Json& before, const Json& now) {
  for (const auto& [key, value] : now.items())
    if (!before.contains(key) || before[key] != value)
      return key + " was " + (before.contains(key) ? before[key].dump() : "not there") + " and is " + value.dump();
  return "it had other settings";
}

void move(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw FileError("can't rename " + from.string() + " to " + to.string() + ": " + error.message());
}

}  // namespace

Run::Run(const fs::path& first_output, Json job, bool restarts)
    : progress_(with(first_output, ".progress")), job_(std::move(job)) {
  if (restarts || !fs::exists(progress_)) return;
  const Json before = read_progress(progress_);
  if (!before.is_object() || !before.contains("job") || !before.contains("done") ||
      !before["done"].is_number_integer() || !before.contains("totals"))
    throw FileError(progress_.string() + " isn't what an interrupted run leaves; --restart begins anew");
  if (before["job"] != job_)
    throw InvalidArgument(progress_.string() + " is of a run that was interrupted and was another: " +
                          difference(before["job"], job_) + "; --restart begins anew");
  done_ = before["done"].get<Index>();
  totals_ = before["totals"];
  goes_on_ = true;
}

ArrayFile& Run::add(const fs::path& path, ElementType type, Index rows, Index columns) {
  const fs::path part = with(path, ".part");
  // Of a run that was interrupted while it put its outputs in their places.
  const fs::path there = goes_on_ && done_ == rows && !fs::exists(part) ? path : part;
  if (goes_on_) {
    ArrayFile file = ArrayFile::reopen(there);
    if (file.type() != type || file.rows() != rows || file.columns() != std::max(columns, Index{1}))
      throw FileError(there.string() + " isn't what the interrupted run has written; --restart begins anew");
    outputs_.push_back(std::make_unique<Output>(Output{path, part, std::move(file)}));
  } else {
    outputs_.push_back(std::make_unique<Output>(Output{path, part, ArrayFile(part, type, rows, columns)}));
  }
  return outputs_.back()->file;
}

void Run::advance(Index done, const Json& totals) {
  for (const auto& output : outputs_) output->file.release(done_, done - done_);
  done_ = done;
  totals_ = totals;
  write_progress();
}

void Run::write_progress() const {
  const std::string text = Json{{"job", job_}, {"done", done_}, {"totals", totals_}}.dump(2) + "\n";
  detail::Replacement file(progress_);
  file.write(text.data(), text.size());
  file.replace();
}

void Run::complete() {
  for (const auto& output : outputs_)
    if (fs::exists(output->part)) move(output->part, output->path);
  std::error_code error;
  fs::remove(progress_, error);
  if (error) throw FileError("can't remove " + progress_.string() + ": " + error.message());
}

}  // namespace attractor::command
