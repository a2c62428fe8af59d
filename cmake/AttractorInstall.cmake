# Installs the library, its headers and a CMake package that find_package(attractor) finds.
include(CMakePackageConfigHelpers)
set(ATTRACTOR_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/attractor)

install(TARGETS attractor EXPORT attractorTargets
  LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
  ARCHIVE COMPONENT development)
# The one header that needs CUDA's own is for builds with CUDA.
if(NOT ATTRACTOR_HAS_CUDA)
  set(excluded_headers PATTERN cuda.hpp EXCLUDE)
endif()
install(DIRECTORY core/attractor host/attractor ${PROJECT_BINARY_DIR}/include/attractor
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h" ${excluded_headers})
install(EXPORT attractorTargets NAMESPACE attractor:: DESTINATION ${ATTRACTOR_CMAKE_DIR} COMPONENT development)

configure_package_config_file(cmake/attractorConfig.cmake.in attractorConfig.cmake
  INSTALL_DESTINATION ${ATTRACTOR_CMAKE_DIR})
write_basic_package_version_file(attractorConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/attractorConfig.cmake ${PROJECT_BINARY_DIR}/attractorConfigVersion.cmake
  DESTINATION ${ATTRACTOR_CMAKE_DIR} COMPONENT development)

# For those who build without CMake. Paths are relative to the file, wherever all is installed.
file(RELATIVE_PATH attractor_prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
if(BUILD_SHARED_LIBS)
  set(attractor_pc_definitions)
  set(attractor_pc_requires)
  set(attractor_pc_private)
else()
  set(attractor_pc_definitions " -DATTRACTOR_STATIC")
  set(attractor_pc_requires "libhwy >= ${ATTRACTOR_HWY_VERSION}")
  set(attractor_pc_private "-lstdc++ -lm -lpthread")
endif()
configure_file(cmake/attractor.pc.in attractor.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/attractor.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT license)
