# The package from outside: installed and found, moved and found by pkg-config, as a subdirectory and a shared library.
if(NOT CMAKE_BUILD_TYPE MATCHES "^(Dev|Release)$")
  return()  # a sanitizer's library cannot be linked by a program without it
endif()
find_program(PKG_CONFIG pkg-config)

set(prefix ${CMAKE_CURRENT_BINARY_DIR}/package/prefix)

function(ipc_package_test name)
  add_test(NAME "package: ${name}"
           COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/build.sh ${CMAKE_COMMAND} ${CMAKE_CURRENT_LIST_DIR}/${name}
                   ${CMAKE_CURRENT_BINARY_DIR}/package/${name} -G ${CMAKE_GENERATOR} -DCMAKE_BUILD_TYPE=Debug
                   -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} ${ARGN})
endfunction()

function(ipc_package_properties name)
  set_tests_properties("package: ${name}" PROPERTIES LABELS package TIMEOUT 900 ENVIRONMENT
                                                     "CMAKE_CXX_COMPILER_LAUNCHER=$<IF:$<BOOL:${IPC_CCACHE}>,${IPC_CCACHE},>" ${ARGN})
endfunction()

add_test(NAME "package: install" COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --prefix ${prefix})
set_tests_properties("package: install" PROPERTIES FIXTURES_SETUP ipc_installed LABELS package)

ipc_package_test(find_package -DCMAKE_PREFIX_PATH=${prefix})
ipc_package_properties(find_package FIXTURES_REQUIRED ipc_installed)

if(PKG_CONFIG)
  add_test(NAME "package: pkg_config"
           COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/pkg_config/build.sh ${CMAKE_CXX_COMPILER} ${prefix} ${CMAKE_INSTALL_LIBDIR}
                   ${CMAKE_CURRENT_LIST_DIR}/user.cpp ${CMAKE_CURRENT_BINARY_DIR}/package/pkg_config)
  ipc_package_properties(pkg_config FIXTURES_REQUIRED ipc_installed)
endif()

# Compiles the whole library again: with nothing else beside it, it may as well use all processors.
ipc_package_test(add_subdirectory -DIPC_SOURCE_DIR=${PROJECT_SOURCE_DIR} -DBUILD_SHARED_LIBS=ON -DIPC_UNITY_BUILD=ON)
ipc_package_properties(add_subdirectory PROCESSORS 2)
