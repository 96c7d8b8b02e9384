# Two programs together: see the test.
add_test(NAME "example: tally_host and tally_guest"
         COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/examples/tally_test.py $<TARGET_FILE:example_tally_host>
                 $<TARGET_FILE:example_tally_guest>)
set_tests_properties("example: tally_host and tally_guest" PROPERTIES TIMEOUT 120 LABELS examples RESOURCE_LOCK "names in /dev/shm")
