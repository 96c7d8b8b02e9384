# Programs that a sanitizer has to catch: a sanitizer run that would also pass without its sanitizer proves nothing.
function(ipc_canary name report)
  add_executable(canary_${name} ${CMAKE_CURRENT_LIST_DIR}/${name}.cpp)
  target_compile_features(canary_${name} PRIVATE cxx_std_20)
  target_link_libraries(canary_${name} PRIVATE Threads::Threads ${ARGN})
  target_include_directories(canary_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  add_test(NAME "canary: ${name} is caught" COMMAND canary_${name})
  set_tests_properties("canary: ${name} is caught" PROPERTIES PASS_REGULAR_EXPRESSION "${report}" LABELS canary)
endfunction()

if(CMAKE_BUILD_TYPE STREQUAL "Asan")
  ipc_canary(heap_overflow "AddressSanitizer: heap-buffer-overflow")
  ipc_canary(undefined "runtime error: signed integer overflow")
elseif(CMAKE_BUILD_TYPE STREQUAL "Tsan")
  ipc_canary(race "ThreadSanitizer: data race")
  ipc_canary(ring_unordered_tail "ThreadSanitizer: data race" ipc_objects)
  ipc_canary(ring_unordered_head "ThreadSanitizer: data race" ipc_objects)
  ipc_canary(ring_ordered "^nobody noticed; 0 messages were wrong" ipc_objects)  # Caught by nobody, and so it must be.
endif()
