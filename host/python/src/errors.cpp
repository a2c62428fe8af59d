/// The library's exceptions as Python's, which are classes of attractor.errors.

#include <exception>

#include <attractor/error.hpp>

#include "host/python/src/bind.hpp"

namespace attractor::python {
namespace {

namespace nb = nanobind;

void raise(const char* name, const char* message) {
  const nb::object type = nb::module_::import_("attractor.errors").attr(name);
  PyErr_SetString(type.ptr(), message);
}

void raise_device_error(const char* name, const DeviceError& error) {
  const nb::object exception = nb::module_::import_("attractor.errors").attr(name)(nb::str(error.what()), error.code());
  PyErr_SetObject(exception.type().ptr(), exception.ptr());
}

void translate(const std::exception_ptr& thrown, void* /*payload*/) {
  try {
    std::rethrow_exception(thrown);
  } catch (const OutOfDeviceMemory& error) {
    raise_device_error("OutOfDeviceMemory", error);
  } catch (const DeviceError& error) {
    raise_device_error("DeviceError", error);
  } catch (const DependentPatterns& error) {
    raise("DependentPatterns", error.what());
  } catch (const InvalidArgument& error) {
    raise("InvalidArgument", error.what());
  } catch (const NotSupported& error) {
    raise("NotSupported", error.what());
  } catch (const FileError& error) {
    raise("FileError", error.what());
  } catch (const Error& error) {
    raise("Error", error.what());
  }
}

}  // namespace

void bind_errors() { nb::register_exception_translator(translate); }

}  // namespace attractor::python
