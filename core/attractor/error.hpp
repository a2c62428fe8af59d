#pragma once

/// Exceptions. Wrong arguments are found before any work starts, so the call that threw has changed nothing. A device
/// may also fail during the work: then the contents of the caller's results are undefined, but nothing is leaked and
/// the memory and the relaxer stay usable.

#include <stdexcept>
#include <string>

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

/// A file can't be read or written, or doesn't hold what it should; the message names the file.
class FileError : public Error {
 public:
  using Error::Error;
};

/// A call to a device failed; the message names the call, its error, its sizes and the device.
///
/// The error that CUDA keeps for cudaGetLastError is the application's: a call that succeeds leaves it as it was. Where
/// a call of this library fails, CUDA has put that error in its place, and it is cleared once it has become an
/// exception.
class DeviceError : public Error {
 public:
  DeviceError(const std::string& message, int code) : Error(message), code_(code) {}
  [[nodiscard]] int code() const { return code_; }  ///< the cudaError_t

 private:
  int code_;
};

/// A device has no memory left for what a call needs. Everything the call had allocated is free again.
class OutOfDeviceMemory : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

}  // namespace attractor
