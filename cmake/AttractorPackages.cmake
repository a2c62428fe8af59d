# Debian packages: `cmake --preset packages`, its build, then `cpack --preset packages`; or bash tests/run.sh packages,
# which also installs and uses them. Each is a component of what is installed.
set(debian ${CMAKE_CURRENT_LIST_DIR}/debian)
set(library libattractor${PROJECT_VERSION_MAJOR})
# Programs in C++ are compiled anew for each version.
set(same_library "${library} (= ${PROJECT_VERSION})")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # Each package has its own.
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${debian}/compress.cmake)
set(CPACK_PACKAGE_CONTACT "The authors of attractor <attractor@example.org>" CACHE STRING "Who makes the packages")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# package(COMPONENT NAME SECTION SUMMARY DEPENDS WHAT): `WHAT` is what the description says beyond the summary.
macro(package component name section summary depends what)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}")
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary}\n\
Patterns are stored as attractors of an energy; a large batch of noisy or\n\
partial queries relaxes towards them, and each query halts when its own\n\
energy stabilises.\n\
\n\
${what}")
  install(FILES ${debian}/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name}
    COMPONENT ${component} EXCLUDE_FROM_ALL)
endmacro()

package(runtime ${library} libs "batched associative memory, shared library" ""
  "This package has the library that programs in C++ and C run with.")
# What packages of programs that are linked with it depend on.
file(CONFIGURE OUTPUT shlibs CONTENT "libattractor ${PROJECT_VERSION_MAJOR} ${same_library}\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${debian}/triggers ${CMAKE_CURRENT_BINARY_DIR}/shlibs)

package(development libattractor-dev libdevel "batched associative memory, development files" "${same_library}"
  "This package has the headers for C++ and C, a package for CMake and a file\nfor pkg-config.")

if(TARGET attractor_command)
  list(APPEND CPACK_COMPONENTS_ALL command)
  package(command attractor science "batched associative memory, command" "${same_library}"
    "This package has the command, which works on NumPy's files.")
endif()

if(TARGET attractor_python)
  list(APPEND CPACK_COMPONENTS_ALL python)
  string(REGEX MATCH "^3\\.([0-9]+)$" python ${ATTRACTOR_PYTHON_VERSION})
  math(EXPR next "${CMAKE_MATCH_1} + 1")
  package(python python3-attractor python "batched associative memory, module for Python"
    "python3 (>= ${python}), python3 (<< 3.${next}), python3-numpy, ${same_library}"
    "This package has the module for Python.")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA ${debian}/postinst ${debian}/prerm)
endif()

include(CPack)
