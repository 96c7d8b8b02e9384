# Read by ctest when it starts, once for each test program: every test case of PROGRAM becomes a test called "ROOM: NAME".
# Catch's own script lists right after the link, so that a build would run what it has just built, and hang with it.
function(ipc_discover_tests room program list_arguments run_arguments)
  if(NOT EXISTS ${program})
    add_test("${room}: is not built" ${program})
    return()
  endif()
  # Version 2 of Catch exits with the number of tests: only the output says whether it worked.
  execute_process(COMMAND ${program} ${list_arguments} OUTPUT_VARIABLE names ERROR_VARIABLE trouble TIMEOUT 60)
  if(names STREQUAL "")
    add_test("${room}: lists no test case" ${CMAKE_COMMAND} -E false)
    return()
  endif()
  # Taken line by line, not as a list: names may hold semicolons and brackets.
  while(names MATCHES "^([^\n]*)\n(.*)$")
    set(name "${CMAKE_MATCH_1}")
    set(names "${CMAKE_MATCH_2}")
    string(STRIP "${name}" name)
    if(name STREQUAL "")
      continue()
    endif()
    # In a test specification these mean something.
    string(REGEX REPLACE "([][\\,*\"])" "\\\\\\1" specification "${name}")
    add_test("${room}: ${name}" "${program}" "${specification}" ${run_arguments})
    set_tests_properties("${room}: ${name}" PROPERTIES TIMEOUT 900 LABELS "${room}")
    # Whoever makes named memory takes stale names away, everybody's; tests that look at such names run one at a time.
    if(name MATCHES "^(Names|Named|SharedMemory|ShareableList|Python|Shared state):|[Nn]ame")
      set_tests_properties("${room}: ${name}" PROPERTIES RESOURCE_LOCK "names in /dev/shm")
    endif()
  endwhile()
endfunction()
