# What a user gets: the headers of include/, the library, find_package(ipc) and pkg-config. The rooms are not installed.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(ipc_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ipc CACHE STRING "Where ipcConfig.cmake goes, relative to the prefix")
mark_as_advanced(ipc_package_dir)

install(TARGETS ipc EXPORT ipcTargets FILE_SET HEADERS)
install(EXPORT ipcTargets NAMESPACE ipc:: DESTINATION ${ipc_package_dir})

configure_file(cmake/ipcConfig.cmake.in ${PROJECT_BINARY_DIR}/ipcConfig.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ipcConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ipcConfig.cmake ${PROJECT_BINARY_DIR}/ipcConfigVersion.cmake DESTINATION ${ipc_package_dir})

# The prefix follows the file, so that an installed tree can be moved.
set(ipc_pc_prefix ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(NOT IS_ABSOLUTE ${ipc_pc_prefix})
  string(REGEX REPLACE "[^/]+" ".." ipc_pc_prefix ${ipc_pc_prefix})
  string(PREPEND ipc_pc_prefix "\${pcfiledir}/")
else()
  set(ipc_pc_prefix ${CMAKE_INSTALL_PREFIX})
endif()
# Whoever links the static library links what it needs; pkg-config does not know which of the two it finds.
set(ipc_pc_requires Requires)
if(BUILD_SHARED_LIBS)
  set(ipc_pc_requires Requires.private)
endif()
configure_file(cmake/ipc.pc.in ${PROJECT_BINARY_DIR}/ipc.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ipc.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
