#include "host/python/src/call.hpp"

namespace attractor::python {

bool handles_signals() {
  const nb::module_ threading = nb::module_::import_("threading");
  return threading.attr("get_ident")().equal(threading.attr("main_thread")().attr("ident"));
}

ProgressReport::ProgressReport(nb::handle wish, const std::string& unit) {
  if (wish.is_none() || wish.is(nb::handle(Py_False))) return;
  is_bar_ = wish.is(nb::handle(Py_True));
  if (!is_bar_ && PyCallable_Check(wish.ptr()) == 0)
    throw nb::type_error("progress must be True, for a bar, or a function to call");
  callback_ =
      is_bar_ ? nb::module_::import_("attractor.progress").attr("Bar")(nb::str(unit.c_str())) : nb::borrow(wish);
}

ProgressReport::~ProgressReport() {
  if (!is_bar_) return;
  try {
    callback_.attr("close")();
  } catch (nb::python_error& error) {
    error.discard_as_unraisable("attractor's progress bar");
  }
}

}  // namespace attractor::python
