# What developers build beside the library: tests, examples, benchmarks.
find_package(Boost 1.74 CONFIG REQUIRED COMPONENTS serialization)
find_package(Catch2 REQUIRED)
find_package(Python3 3.8 REQUIRED COMPONENTS Interpreter)

add_subdirectory(tests)
add_subdirectory(examples)
add_subdirectory(bench)
