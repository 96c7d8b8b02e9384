# The promises of the example beside its table, each a function of the script.
foreach(promise IN ITEMS
    prints_the_best_of_each_topic_and_how_the_eight_vote
    sabotage_costs_three_tasks_which_the_next_run_makes_up_for
    a_second_run_does_only_what_is_missing_and_repairs_a_torn_line
    even_a_torn_header_is_repaired
    ctrl_c_leaves_no_process_and_results_to_go_on_from
    kill_leaves_no_process_and_results_to_go_on_from
    a_trace_agrees_slice_by_slice_with_what_each_worker_did
    bad_input_gets_one_sentence_that_says_what_to_do)
  string(REPLACE "_" " " sentence ${promise})
  add_test(NAME "example: grid_search: ${sentence}"
           COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/examples/grid_search_test.py
                   $<TARGET_FILE:example_grid_search> ${promise})
  set_tests_properties("example: grid_search: ${sentence}" PROPERTIES TIMEOUT 600 LABELS examples)
endforeach()
