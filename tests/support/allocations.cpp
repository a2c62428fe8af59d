#include "tests/support/allocations.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace attractor::test {
namespace {

// malloc knows no other place than the process.
std::atomic<std::int64_t> blocks = 0;       // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> memory_is_short = false;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> shortage_lasts = false;   // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<int> allocations_left = 0;      // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<int> refused_count = 0;         // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<int> new_bytes = 0;             // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

bool fails() {
  if (!memory_is_short) return false;
  const int left = allocations_left--;
  if (left > 0 || (left < 0 && !shortage_lasts)) return false;
  ++refused_count;
  errno = ENOMEM;
  return true;
}

/// What allocate() gives, unless this is an allocation that fails.
template <class Allocate>
void* counted(const Allocate& allocate) {
  if (fails()) return nullptr;
  void* const block = allocate();
  if (block != nullptr) ++blocks;
  return block;
}

/// Its memory is not zero by chance.
template <class Allocate>
void* filled(std::size_t size, const Allocate& allocate) {
  void* const block = counted(allocate);
  if (block != nullptr && memory_is_short) std::memset(block, new_bytes, size);
  return block;
}

}  // namespace

std::int64_t live_blocks() { return blocks; }

Shortage::Shortage(Kind kind, int granted, int bytes) {
  shortage_lasts = kind == Kind::lasting;
  allocations_left = granted;
  refused_count = 0;
  new_bytes = bytes;
  memory_is_short = true;
}

Shortage::~Shortage() { memory_is_short = false; }

int Shortage::refused() { return refused_count; }

}  // namespace attractor::test

// The functions that glibc leaves to programs, by means of those that it keeps; names are glibc's.
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming)
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name, cppcoreguidelines-owning-memory)
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* block);

using attractor::test::counted;  // NOLINT(misc-unused-using-decls): what follows is C
using attractor::test::filled;   // NOLINT(misc-unused-using-decls)

void* malloc(std::size_t size) noexcept {
  return filled(size, [&] { return __libc_malloc(size); });
}

void* calloc(std::size_t count, std::size_t size) noexcept {
  return counted([&] { return __libc_calloc(count, size); });
}

void* realloc(void* block, std::size_t size) noexcept {
  if (block == nullptr) return malloc(size);  // NOLINT(cppcoreguidelines-no-malloc): it is what this file makes
  return attractor::test::fails() ? nullptr : __libc_realloc(block, size);
}

void* memalign(std::size_t alignment, std::size_t size) noexcept {
  return filled(size, [&] { return __libc_memalign(alignment, size); });
}

void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept { return memalign(alignment, size); }

int posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
  void* const block = memalign(alignment, size);
  if (block == nullptr) return ENOMEM;
  *result = block;
  return 0;
}

void free(void* block) noexcept {
  if (block != nullptr) --attractor::test::blocks;
  __libc_free(block);
}
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name, cppcoreguidelines-owning-memory)
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)
