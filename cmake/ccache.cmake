# Developers build the same sources in four build types, over and over.
if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(IPC_CCACHE ccache)
  mark_as_advanced(IPC_CCACHE)
  if(IPC_CCACHE)
    # Without this sloppiness ccache refuses everything that uses a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${IPC_CCACHE})
  endif()
endif()
