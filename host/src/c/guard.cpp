#include "host/src/c/guard.hpp"

#include <attractor/error.hpp>
#include <attractor/version.hpp>

namespace attractor::c {
namespace {

/// Of this thread. Its memory is taken with the first message; where there is none for it, a fixed one stands in.
class Message {
 public:
  void set(const char* text) noexcept {
    try {
      text_ = text;
      fits_ = true;
    } catch (...) {
      fits_ = false;
    }
  }
  [[nodiscard]] const char* get() const noexcept { return fits_ ? text_.c_str() : "there is not enough memory"; }

 private:
  std::string text_;
  bool fits_ = true;
};

Message& message() noexcept {
  thread_local Message own;
  return own;
}

attractor_result fails(attractor_result result, const char* text) noexcept {
  message().set(text);
  return result;
}

}  // namespace

attractor_result result_of_exception() noexcept {
  try {
    throw;
  } catch (const InvalidArgument& error) {
    return fails(ATTRACTOR_INVALID_ARGUMENT, error.what());
  } catch (const NotSupported& error) {
    return fails(ATTRACTOR_NOT_SUPPORTED, error.what());
  } catch (const FileError& error) {
    return fails(ATTRACTOR_FILE_ERROR, error.what());
  } catch (const OutOfDeviceMemory& error) {
    return fails(ATTRACTOR_OUT_OF_MEMORY, error.what());
  } catch (const DeviceError& error) {
    return fails(ATTRACTOR_DEVICE_ERROR, error.what());
  } catch (const std::bad_alloc&) {
    return fails(ATTRACTOR_OUT_OF_MEMORY, "there is not enough memory");
  } catch (const std::exception& error) {
    return fails(ATTRACTOR_FAILURE, error.what());
  } catch (...) {
    return fails(ATTRACTOR_FAILURE, "something was thrown that is no exception of the standard's");
  }
}

Device device_named(const char* name) { return name == nullptr ? Device::best() : Device::named(name); }

}  // namespace attractor::c

extern "C" {

int attractor_abi_version(void) { return ATTRACTOR_ABI_VERSION; }
const char* attractor_version(void) { return ATTRACTOR_VERSION; }
const char* attractor_last_error(void) { return attractor::c::message().get(); }

}  // extern "C"
