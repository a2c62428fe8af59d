#include "host/src/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <attractor/error.hpp>

namespace attractor::detail {
namespace {

/// Closes a file at the end of its scope.
class OpenFile {
 public:
  explicit OpenFile(int file) : file_(file) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (file_ >= 0) ::close(file_);
  }
  [[nodiscard]] int get() const { return file_; }

 private:
  int file_;
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path, bool writes) : name_(path.string()), writes_(writes) {
  const OpenFile file(open(path.c_str(), (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC));
  if (file.get() < 0) fail("can't be opened");
  struct stat about {};
  if (fstat(file.get(), &about) != 0) fail("can't be read");
  if (!S_ISREG(about.st_mode)) throw FileError(name_ + " is no regular file");
  size_ = static_cast<std::uint64_t>(about.st_size);
  map(file.get());
}

MappedFile::MappedFile(const std::filesystem::path& path, const std::string& begin, std::uint64_t size)
    : name_(path.string()), writes_(true), size_(size) {
  const OpenFile file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) fail("can't be made");
  // Else a full disk would be found when memory is written.
  if (const int error = posix_fallocate(file.get(), 0, static_cast<off_t>(size)); error != 0) {
    errno = error;
    fail("can't be made of " + std::to_string(size) + " bytes");
  }
  map(file.get());
  std::memcpy(data_, begin.data(), begin.size());
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

void MappedFile::map(int file) {
  if (size_ == 0) return;
  void* const data = mmap(nullptr, size_, writes_ ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file, 0);
  if (data == MAP_FAILED) fail("can't be mapped");
  data_ = static_cast<std::byte*>(data);
}

void MappedFile::release(std::uint64_t first, std::uint64_t count) {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  // Whole pages: of those that others share no more than what is written goes to the disk.
  const std::uint64_t begin = first / page * page;
  const std::uint64_t end = std::min((first + count + page - 1) / page * page, size_);
  if (begin >= end) return;
  if (writes_ && msync(data_ + begin, end - begin, MS_SYNC) != 0) fail("can't be written");
  madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

void MappedFile::fail(const std::string& what) const {
  throw FileError(name_ + " " + what + ": " + std::generic_category().message(errno));
}

}  // namespace attractor::detail
