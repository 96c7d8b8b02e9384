# The law of the house, and the proof on a bad tree that breaking it is reported.
set(check_structure ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/check_structure.py)
add_test(NAME "structure: the rooms include what rooms.txt lets them" COMMAND ${check_structure} ${PROJECT_SOURCE_DIR})
add_test(NAME "structure: each breach in a bad tree is reported"
         COMMAND ${check_structure} --bad-tree ${CMAKE_CURRENT_LIST_DIR}/bad_tree)
