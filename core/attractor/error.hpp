#pragma once

/// Exceptions. Every error is thrown before any work starts, so the call that threw has changed nothing.

#include <stdexcept>

namespace attractor {

/// Base of everything this library throws itself.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An argument is unusable; the message names the argument and the values that disagree.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// A pattern is a linear combination of the patterns before it, so the projection rule has no solution.
class DependentPatterns : public InvalidArgument {
 public:
  using InvalidArgument::InvalidArgument;
};

/// The request is meaningful, but this build or this device cannot serve it.
class NotSupported : public Error {
 public:
  using Error::Error;
};

}  // namespace attractor
