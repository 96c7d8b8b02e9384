# Three hosts, as far as the network goes: see the test.
add_test(NAME "example: distributed_jobs over three hosts, one cut off"
         COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/examples/distributed_jobs_test.py $<TARGET_FILE:example_distributed_jobs>)
set_tests_properties("example: distributed_jobs over three hosts, one cut off" PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77 LABELS examples)
