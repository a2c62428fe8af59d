#include "host/src/replacement.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>

#include <attractor/error.hpp>

namespace attractor::detail {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_error(const std::string& what, int error) {
  throw FileError(what + ": " + std::generic_category().message(error));
}

/// A name in a file's folder, or an absolute one. Made of strings: libstdc++ crashes where it appends to a path and
/// finds no memory for that.
fs::path beside(const fs::path& file, const std::string& name) {
  std::string folder = file.parent_path().string();
  if (name.starts_with('/') || folder.empty()) return name;
  return folder += "/" + name;
}

/// Where links lead, be it to nothing.
fs::path follow_links(const fs::path& path) {
  constexpr int most_links = 40;
  fs::path target = path;
  std::error_code error;
  for (int i = 0; fs::is_symlink(fs::symlink_status(target, error)); ++i) {
    if (i == most_links) throw_error("can't follow the link " + path.string(), ELOOP);
    const fs::path next = fs::read_symlink(target, error);
    if (error) throw FileError("can't follow the link " + target.string() + ": " + error.message());
    target = beside(target, next.string());
  }
  return target;
}

/// Calls again what a signal interrupted.
template <class Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

/// Not every file system has folders that can be synchronised; those that haven't do it by themselves.
void sync_folder(const fs::path& folder) {
  const int file = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  ::close(file);
}

}  // namespace

Replacement::Replacement(const fs::path& target) : target_(follow_links(target)) {
  struct stat old {};
  const bool exists = stat(target_.c_str(), &old) == 0;
  if (!exists && errno != ENOENT) throw_error("can't replace " + target_.string(), errno);
  if (exists && !S_ISREG(old.st_mode)) throw FileError("can't replace " + target_.string() + ": it is no regular file");
  // Before it has the old one's permissions nobody else may read it.
  create(exists ? 0600 : 0666);
  if (!exists) return;
  // The owner first: giving a file away takes permissions off. The group may be ours to give where the owner isn't.
  constexpr auto same_owner = static_cast<uid_t>(-1);
  const bool owned = fchown(file_, old.st_uid, old.st_gid) == 0 || fchown(file_, same_owner, old.st_gid) == 0;
  // Permissions meant for another group are none for this process's.
  const mode_t permissions = old.st_mode & (owned ? 07777U : 0707U);
  if (fchmod(file_, permissions) == 0) return;
  const int error = errno;
  remove();
  throw_error("can't set the permissions of " + path_.string(), error);
}

Replacement::~Replacement() { remove(); }

/// Under a short name, which fits wherever the target's does.
void Replacement::create(unsigned permissions) {
  static std::atomic<unsigned> count = 0;
  do {
    path_ = beside(target_, ".attractor." + std::to_string(getpid()) + "." + std::to_string(count++) + ".tmp");
    file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions);
  } while (file_ < 0 && errno == EEXIST);
  if (file_ < 0) fail("create");
}

void Replacement::write(const void* data, std::uint64_t size) {
  const auto* next = static_cast<const char*>(data);
  while (size > 0) {
    constexpr std::uint64_t most = std::uint64_t{1} << 30;  // The system writes no more than 2 GiB at a time.
    const ssize_t written = uninterrupted([&] { return ::write(file_, next, std::min(size, most)); });
    if (written < 0) fail("write");
    next += written;
    size -= static_cast<std::uint64_t>(written);
  }
}

void Replacement::replace() {
  if (uninterrupted([&] { return fsync(file_); }) != 0) fail("write");
  close();
  const fs::path folder = target_.parent_path();  // Nothing may fail once the file is in its place.
  if (rename(path_.c_str(), target_.c_str()) != 0) throw_error("can't replace " + target_.string(), errno);
  path_.clear();
  sync_folder(folder);
}

void Replacement::close() {
  const int file = file_;
  file_ = -1;
  if (::close(file) != 0 && errno != EINTR) fail("write");
}

void Replacement::remove() noexcept {
  if (file_ >= 0) ::close(file_);
  if (!path_.empty()) unlink(path_.c_str());
}

void Replacement::fail(const std::string& action) const {
  throw_error("can't " + action + " " + path_.string(), errno);
}

}  // namespace attractor::detail
