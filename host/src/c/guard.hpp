#pragma once

/// What stands between C and the library: exceptions become results and messages.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include <attractor/attractor.h>
#include <attractor/error.hpp>
#include <attractor/memory.hpp>
#include <attractor/relaxer.hpp>

struct attractor_memory {
  attractor::Memory value;
};
struct attractor_relaxer {
  attractor::Relaxer value;
};

namespace attractor::c {

/// Remembers the message of the exception under way for this thread, and says what it is.
attractor_result result_of_exception() noexcept;

/// ATTRACTOR_OK once work() is done, or what it threw.
template <class Work>
attractor_result guarded(const Work& work) noexcept {
  try {
    work();
    return ATTRACTOR_OK;
  } catch (...) {
    return result_of_exception();
  }
}

/// What an argument points to. @throws InvalidArgument it is null
template <class T>
T& there(T* argument, const char* name) {
  if (argument == nullptr) throw InvalidArgument(std::string(name) + " is null");
  return *argument;
}

/// A struct as this library knows it: members that the caller's version lacks have the values of `defaults`.
/// @throws InvalidArgument its size can't be one
template <class Struct>
Struct known_members(const Struct& given, const char* name, const Struct& defaults = {}) {
  Struct result = defaults;
  const std::size_t size = given.size;
  constexpr std::size_t most = 1 << 16;  // None will ever be so large.
  if (size < sizeof size || size > most)
    throw InvalidArgument("the size of " + std::string(name) + " is " + std::to_string(size) +
                          "; it must be that of the struct");
  std::memcpy(&result, &given, std::min(size, sizeof result));
  return result;
}

/// The device with this name; null: the best. @throws InvalidArgument there is no such name
Device device_named(const char* name);

}  // namespace attractor::c
