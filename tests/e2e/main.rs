//! One image end to end, through the real programs. Each module is one promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose assumption breaks must stop"
)]

mod peers;

mod nodes;

mod story;

mod kept;

mod disk_tells_nothing;

mod intake;

mod boxes_enrol;

mod certificates_are_replaced;

mod box_tests_itself;

mod image_reaches_hub;

mod hard_cases_reach_hub;

mod line_drops;

mod surroundings_fail;

mod clinic_page_speaks_https;
mod line_is_seen;

mod results_go_by_stick;

mod what_leaves;

mod processes_are_killed;

mod box_is_killed_under_load;

mod films_are_shown;
mod picture_quality;
mod power_is_cut;
mod presentation_states;

mod queue_in_power_cuts;

mod bad_input_is_answered;

mod strange_studies;

mod hostile_peers;

mod large_studies;

mod other_peoples_tools;

mod archive_answers_peers;
mod results_reach_archives;

mod corpus;

mod calls_equal_onnxruntime;

mod browser;

mod pages_in_a_browser;

mod person_at_browser;

mod manager_changes_policy;
mod people_come_by_provider;

mod expert_reads_a_case;

mod hub_is_restored;

mod round_reaches_fleet;

mod federated_rounds;

mod originals_reach_archives;

mod packages;

mod storage_is_promised;

mod audit_reaches_repository;

mod scanners_speak_tls;

mod sticks_are_imported;

mod names_are_readable;

mod attack_suite;
