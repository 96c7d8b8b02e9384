# Sanitizers are build types, not flags glued on: a preset, an environment variable or a user's CMAKE_CXX_FLAGS cannot
# switch them off unnoticed. tests/canary proves in each of them that it catches what it is there to catch.
# Read before project(), which would otherwise fill the cache with empty flags for a build type that it does not know.

# Dev keeps the assertions, and optimises just enough for tests that push thousands of tasks through processes. -g1 is enough for
# backtraces with lines, and compiles a third faster; who wants variables in a debugger takes Debug.
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1 -D_GLIBCXX_ASSERTIONS" CACHE STRING "Flags of the build type Dev")
set(CMAKE_CXX_FLAGS_ASAN
    "-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    CACHE STRING "Flags of the build type Asan (AddressSanitizer and UndefinedBehaviorSanitizer)")
set(CMAKE_CXX_FLAGS_TSAN
    "-O1 -g1 -fno-omit-frame-pointer -fsanitize=thread"
    CACHE STRING "Flags of the build type Tsan (ThreadSanitizer)")
set(CMAKE_CXX_FLAGS_FUZZ
    "-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"
    CACHE STRING "Flags of the build type Fuzz (clang's libFuzzer)")
mark_as_advanced(CMAKE_CXX_FLAGS_DEV CMAKE_CXX_FLAGS_ASAN CMAKE_CXX_FLAGS_TSAN CMAKE_CXX_FLAGS_FUZZ)
