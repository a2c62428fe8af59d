# cmake -D MODE=... -D BUILD_DIR=... -D WORK_DIR=... -D SOURCE_DIR=... -P run.cmake
# Builds a user's project, and runs it where that needs no device. Modes:
#   installed     the project beside this file with the package installed from BUILD_DIR
#   subdirectory  with the source tree, then as a static library, so that both ways and both kinds are tested; that
#                 library is then installed and used as in the modes above and below
#   pkg_config    a program in C with the installed package, without CMake
#   cuda_kernels  the project in cuda/ with the installed package
#   cuda_host     the same without CUDA as a language
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(project ${CMAKE_CURRENT_LIST_DIR})
set(options -G Ninja -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER})
if(MODE STREQUAL subdirectory)
  # Some users join units.
  list(APPEND options -D CMAKE_UNITY_BUILD=ON -D BUILD_SHARED_LIBS=OFF -D ATTRACTOR_CUDA=OFF)
  # Optimisation, debuggers and instruction sets are not what this tests: what a compiler's cache has is soonest compiled,
  # and without one as little as there can be.
  if(LAUNCHER)
    list(APPEND options -D CMAKE_BUILD_TYPE=${BUILD_TYPE} -D ATTRACTOR_WARNINGS_AS_ERRORS=${WARNINGS_AS_ERRORS}
      -D ATTRACTOR_WITHOUT_TARGETS=${WITHOUT_TARGETS})
  else()
    list(APPEND options -D CMAKE_BUILD_TYPE=Debug -D CMAKE_CXX_FLAGS_DEBUG=
      -D ATTRACTOR_WITHOUT_TARGETS=|HWY_AVX3|HWY_AVX2|HWY_SSE4)
  endif()
else()
  file(REMOVE_RECURSE ${WORK_DIR})
  run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix)
  list(APPEND options
    -D CMAKE_BUILD_TYPE=Release -D CMAKE_PREFIX_PATH=${WORK_DIR}/prefix
    -D HAS_CUDA=${HAS_CUDA} -D CUDAToolkit_ROOT=${CUDA_ROOT})
endif()
if(MODE MATCHES "^cuda_")
  set(project ${project}/cuda)
endif()
if(MODE STREQUAL cuda_host)
  list(APPEND options -D KERNELS=OFF)
elseif(MODE STREQUAL cuda_kernels)
  # No standard: the package's target must carry it.
  list(APPEND options -D CMAKE_CUDA_COMPILER=${CUDA_COMPILER} -D CMAKE_CUDA_ARCHITECTURES=${CUDA_ARCHITECTURE}
    -D CMAKE_CUDA_RUNTIME_LIBRARY=${CUDA_RUNTIME_LIBRARY})
endif()

# use_pkg_config(option...): a program in C with the installed package, without CMake; options are pkg-config's.
function(use_pkg_config)
  file(GLOB_RECURSE description ${WORK_DIR}/prefix/attractor.pc)
  get_filename_component(folder ${description} DIRECTORY)
  set(ENV{PKG_CONFIG_PATH} ${folder})
  execute_process(COMMAND ${PKG_CONFIG} --cflags --libs ${ARGN} attractor
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags)
  execute_process(COMMAND ${PKG_CONFIG} --variable=libdir attractor
    OUTPUT_VARIABLE libraries OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  run(${C_COMPILER} ${SOURCE_DIR}/tests/c_example.c -o ${WORK_DIR}/program ${flags})
  set(ENV{LD_LIBRARY_PATH} ${libraries})
  run(${WORK_DIR}/program)
endfunction()

# use_cmake(FOLDER option...): the project, built in FOLDER.
function(use_cmake folder)
  run(${CMAKE_COMMAND} -S ${project} -B ${folder} ${options} ${ARGN})
  run(${CMAKE_COMMAND} --build ${folder})
  if(NOT MODE MATCHES "^cuda_")
    run(${folder}/consumer)
  endif()
endfunction()

if(MODE STREQUAL pkg_config)
  use_pkg_config()
elseif(MODE STREQUAL subdirectory)
  # Beside the other build: from there the sources' paths are the same, else a compiler's cache has nothing.
  set(static_build ${BUILD_DIR}-static)
  use_cmake(${static_build} -D ATTRACTOR_SOURCE_DIR=${SOURCE_DIR})
  # The same static library once it is installed.
  file(REMOVE_RECURSE ${WORK_DIR}/prefix ${WORK_DIR}/installed)
  run(${CMAKE_COMMAND} --install ${static_build} --prefix ${WORK_DIR}/prefix)
  use_cmake(${WORK_DIR}/installed -D CMAKE_PREFIX_PATH=${WORK_DIR}/prefix -D HAS_CUDA=OFF)
  if(PKG_CONFIG)
    use_pkg_config(--static)
  endif()
else()
  use_cmake(${WORK_DIR}/build)
endif()
