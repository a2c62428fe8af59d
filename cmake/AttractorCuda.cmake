# ATTRACTOR_CUDA = AUTO | ON | OFF: whether to look for a CUDA compiler, and whether it must be there. Without one the
# library is complete on the CPU.
set(ATTRACTOR_CUDA AUTO CACHE STRING "CUDA: AUTO (use it where it is found), ON (require it), OFF")
set_property(CACHE ATTRACTOR_CUDA PROPERTY STRINGS AUTO ON OFF)
if(NOT ATTRACTOR_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "ATTRACTOR_CUDA is '${ATTRACTOR_CUDA}'; it must be AUTO, ON or OFF")
endif()

set(ATTRACTOR_HAS_CUDA OFF)
if(NOT ATTRACTOR_CUDA STREQUAL OFF)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(ATTRACTOR_HAS_CUDA ON)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      # Turing, Ampere, Ada, Hopper and both Blackwells as machine code, and PTX for what comes after.
      set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 89-real 90-real 100 120-real)
    endif()
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
  elseif(ATTRACTOR_CUDA STREQUAL ON)
    message(FATAL_ERROR "ATTRACTOR_CUDA is ON, but no CUDA compiler was found; set CMAKE_CUDA_COMPILER or use AUTO")
  endif()
endif()
message(STATUS "CUDA: ${ATTRACTOR_HAS_CUDA}")

# attractor_cuda_options(target): how this project compiles CUDA.
function(attractor_cuda_options target)
  # Every fusion is written down: else ptxas may fuse, in one architecture or template instance and not in the other, what
  # must round the same everywhere, and the products inside a two-sum. tests/cuda/fusion_test.py looks at the outcome.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false>)
  # Machine code takes a seventh of its room. Drivers that can read it came with CUDA 12.4, so all that run programs of
  # CUDA 13 can.
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13.0 AND NOT CMAKE_CUDA_FLAGS MATCHES "compress")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>)
  endif()
  # By hand: CMake 3.25 doesn't know yet that nvcc has C++20.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
  if(ATTRACTOR_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
  endif()
endfunction()

# attractor_add_cuda(target): the CUDA backend. Its kernels are objects of their own, which tests and benchmarks link too.
function(attractor_add_cuda target)
  add_library(attractor_cuda OBJECT
    kernels/cuda/adaptive/adaptive_scores.cu
    kernels/cuda/adaptive/footprint.cu
    kernels/cuda/adaptive/levels.cpp
    kernels/cuda/device/capacity.cpp
    kernels/cuda/device/default_streams.cpp
    kernels/cuda/device/device_matrix.cu
    kernels/cuda/device/error.cpp
    kernels/cuda/device/graph.cpp
    kernels/cuda/device/half_matrix.cu
    kernels/cuda/device/mapped_matrix.cu
    kernels/cuda/device/matrix_scan.cu
    kernels/cuda/device/pointer.cpp
    kernels/cuda/device/usable.cu
    kernels/cuda/engine/call_scratch.cpp
    kernels/cuda/engine/job.cpp
    kernels/cuda/engine/memory.cpp
    kernels/cuda/engine/packed_rows.cu
    kernels/cuda/engine/recall.cpp
    kernels/cuda/engine/relax.cpp
    kernels/cuda/engine/retrieve.cpp
    kernels/cuda/fit/column_sums.cu
    kernels/cuda/fit/cross_entropy.cpp
    kernels/cuda/fit/rank_gradient.cu
    kernels/cuda/fit/softmax_loss.cu
    kernels/cuda/resident/bipolar.cu
    kernels/cuda/resident/resident.cu
    kernels/cuda/resident/resident_fit.cpp
    kernels/cuda/resident/teams.cu
    kernels/cuda/resident/teams_fit.cpp
    kernels/cuda/softmax/retrieval.cu
    kernels/cuda/softmax/score_terms.cu
    kernels/cuda/softmax/softmax_chunks.cu
    kernels/cuda/softmax/softmax_scan.cu
    kernels/cuda/softmax/stored_schedule.cu
    kernels/cuda/softmax/tensor_scan.cu
    kernels/cuda/streamed/compaction.cu
    kernels/cuda/streamed/contents.cu
    kernels/cuda/streamed/device_loop.cu
    kernels/cuda/streamed/factor_scan.cu
    kernels/cuda/streamed/gram.cu
    kernels/cuda/streamed/ordered_product.cu
    kernels/cuda/streamed/separate.cu
    kernels/cuda/streamed/rank.cu
    kernels/cuda/streamed/rough_rank.cu
    kernels/cuda/streamed/settle.cu
    kernels/cuda/streamed/step.cu
    kernels/cuda/streamed/streamed.cu
    kernels/cuda/streamed/sweep.cu
    kernels/cuda/streamed/swept.cu
    kernels/cuda/streamed/tensor_product.cu
  )
  target_compile_features(attractor_cuda PUBLIC cxx_std_20)
  target_include_directories(attractor_cuda
    PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/core ${PROJECT_SOURCE_DIR}/host)
  target_include_directories(attractor_cuda SYSTEM PUBLIC ${CUDAToolkit_INCLUDE_DIRS})
  # The runtime library is the one that CMAKE_CUDA_RUNTIME_LIBRARY names, from where libraries are installed or, before
  # installation, from the toolkit.
  target_link_libraries(attractor_cuda PUBLIC ${CMAKE_DL_LIBS})
  target_link_options(attractor_cuda INTERFACE LINKER:-rpath,${CUDAToolkit_LIBRARY_DIR})
  set_target_properties(attractor_cuda PROPERTIES
    CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
  attractor_cuda_options(attractor_cuda)
  attractor_warnings(attractor_cuda)

  target_sources(${target} PRIVATE
    host/src/cuda.cpp host/src/cuda_backend.cpp $<TARGET_OBJECTS:attractor_cuda>)
  target_link_libraries(${target} PRIVATE ${CMAKE_DL_LIBS})
  set_property(TARGET ${target} APPEND PROPERTY BUILD_RPATH ${CUDAToolkit_LIBRARY_DIR})
  # <attractor/cuda.hpp> includes the runtime's header. An installed package finds the user's own toolkit, and of this
  # project only what includes it is told: the others' commands are those of a build without CUDA, so that a compiler's
  # cache serves both.
  list(TRANSFORM CUDAToolkit_INCLUDE_DIRS PREPEND -isystem OUTPUT_VARIABLE folders)
  set_source_files_properties(host/src/cuda.cpp host/src/cuda_backend.cpp PROPERTIES COMPILE_OPTIONS "${folders}")
  if(NOT PROJECT_IS_TOP_LEVEL)
    target_include_directories(${target} SYSTEM INTERFACE $<BUILD_INTERFACE:${CUDAToolkit_INCLUDE_DIRS}>)
  endif()
endfunction()
