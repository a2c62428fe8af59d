# cmake -D MODE=installed|subdirectory -D BUILD_DIR=... -D WORK_DIR=... -D SOURCE_DIR=... -P run.cmake
# Builds and runs the project beside this file: with the package installed from BUILD_DIR, or with the source tree, then
# as a static library, so that both ways and both kinds are tested.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(options -G Ninja -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER})
if(MODE STREQUAL installed)
  file(REMOVE_RECURSE ${WORK_DIR}/prefix)
  run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix)
  list(APPEND options -D CMAKE_BUILD_TYPE=Release -D CMAKE_PREFIX_PATH=${WORK_DIR}/prefix)
else()
  # Optimisation is not what this tests.
  list(APPEND options
    -D CMAKE_BUILD_TYPE=Debug -D ATTRACTOR_SOURCE_DIR=${SOURCE_DIR} -D BUILD_SHARED_LIBS=OFF -D ATTRACTOR_CUDA=OFF)
endif()

run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK_DIR}/build ${options})
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${WORK_DIR}/build/consumer)
