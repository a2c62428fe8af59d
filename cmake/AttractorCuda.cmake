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
      # Turing, Ampere, Hopper and Blackwell as machine code, and PTX for what comes after.
      set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 90-real 100)
    endif()
    enable_language(CUDA)
  elseif(ATTRACTOR_CUDA STREQUAL ON)
    message(FATAL_ERROR "ATTRACTOR_CUDA is ON, but no CUDA compiler was found; set CMAKE_CUDA_COMPILER or use AUTO")
  endif()
endif()
message(STATUS "CUDA: ${ATTRACTOR_HAS_CUDA}")
