"""Each rule of judging, and the tests that hold us to it: `file.py::test` below `tests/`."""

from __future__ import annotations

from collections.abc import Mapping

HERE = "conformance/test_readiness_rules.py"
JUDGING, SOAK, VERDICT = "readiness/test_judging.py", "readiness/test_soak.py", "readiness/test_verdict.py"
LISTS, ROWS, BLOCKS = (
    "readiness/test_checklists.py", "readiness/test_rows.py", "readiness/test_dependencies.py"
)  # fmt: skip
WAIVING, SIGNING, AFTER = "gates/test_waiving.py", "gates/test_signing.py", "gates/test_after.py"
STATING, RACES, FORECAST = "gates/test_attesting.py", "gates/test_races.py", "roadmap/test_forecast.py"
LEDGER = "gates/test_ledger.py"

RULES: Mapping[str, tuple[str, ...]] = {
    # From readings to a verdict
    "1 ok is judged by the expectation": (f"{JUDGING}::test_ok_is_judged_by_the_expectation",),
    "1 failed is fail with its kind": (f"{JUDGING}::test_failed_is_fail_with_its_kind",),
    "1 error and not_run do not displace the last measurement": (
        f"{JUDGING}::test_an_attempt_that_measured_nothing_does_not_displace_a_measurement",
        f"{HERE}::test_1_no_attempt_that_measured_nothing_displaces_a_measurement",
    ),
    "1 with none left it is unknown with the kind of the newer attempt": (
        f"{JUDGING}::test_when_the_measurement_has_expired_the_newer_attempt_s_kind_is_the_reason",
        f"{JUDGING}::test_an_error_without_any_measurement_is_unknown_with_its_kind",
        f"{JUDGING}::test_not_run_is_unknown_with_its_reason",
    ),
    "1 else stale or not_measured": (
        f"{JUDGING}::test_now_at_the_expiry_is_stale", f"{JUDGING}::test_no_reading_is_not_measured",
    ),
    "1 a measured failure displaces at once": (
        f"{JUDGING}::test_a_measured_failure_displaces_at_once",
    ),
    "1 instantaneous items use readings, never the alert state": (
        f"{HERE}::test_1_one_failed_reading_fails_and_one_good_one_passes",
    ),
    "2 from expires_at on it is stale, and the value stays": (
        f"{JUDGING}::test_now_at_the_expiry_is_stale",
    ),
    "2 default ages by kind, at least two runs": (
        f"{BLOCKS}::test_default_ages", f"{HERE}::test_2_a_statement_counts_for_thirty_days",
        f"{JUDGING}::test_a_host_s_reading_counts_for_an_hour",
        f"{JUDGING}::test_a_slow_check_counts_for_two_runs",
    ),
    "2 an explicit age below every + timeout is a load error": (
        f"{LISTS}::test_an_age_below_every_and_timeout_is_a_load_error",
    ),
    "3 what depends on what fails is unknown(blocked), the root named once": (
        f"{JUDGING}::test_a_dead_host_is_one_cause_and_blocks_its_other_checks",
        f"{JUDGING}::test_the_root_farthest_up_is_named", f"{JUDGING}::test_items_depend_on_items",
    ),
    "3 and is not probed again while it lasts": (
        "cli/test_check_dead_host.py::test_a_dead_host_is_one_cause",
        "cli/test_check_daemon.py::test_where_all_of_a_stage_is_blocked_the_daemon_is_not_asked",
    ),
    "4 a waiver maps fail to waived, never to pass": (
        f"{JUDGING}::test_a_waiver_maps_fail_to_waived_and_keeps_the_reason",
        f"{JUDGING}::test_a_waiver_never_touches_a_pass",
        f"{HERE}::test_4_a_waiver_by_all_statuses",
    ),
    "4 never unknown unless covers_unknown": (
        f"{JUDGING}::test_unknown_is_covered_only_where_the_waiver_says_so",
        f"{WAIVING}::test_it_never_covers_unknown_unless_it_says_so",
    ),
    "4 the check still runs and the raw reason stays": (
        f"{JUDGING}::test_a_waiver_maps_fail_to_waived_and_keeps_the_reason",
        f"{HERE}::test_4_a_check_whose_row_is_waived_is_probed_all_the_same",
    ),
    "4 expiry restores the raw status at the next evaluation": (
        f"{JUDGING}::test_expiry_restores_the_raw_status", f"{WAIVING}::test_it_ends_at_its_time",
        f"{RACES}::test_a_waiver_that_ends_during_a_run_covers_what_is_judged_before_its_end_only",
    ),
    "4 warned of 14, 7 and 1 day before": (f"{LISTS}::test_warnings_before_the_end",),
    "4 a major by an approver, a blocker only where its item says so": (
        f"{LISTS}::test_a_blocker_is_waived_only_where_the_item_says_so",
        f"{WAIVING}::test_a_blocker_only_where_its_item_says_so",
    ),
    "4 approved_by differs from requested_by": (
        f"{LISTS}::test_bad_waivers", f"{WAIVING}::test_nobody_approves_what_they_asked_for",
    ),
    "4 expires_at is required, with an offset": (
        f"{LISTS}::test_bad_waivers", f"{HERE}::test_4_no_waiver_without_an_end_and_its_offset",
    ),
    "5 not_applicable by the inventory, or by an approved attestation": (
        f"{JUDGING}::test_not_applicable_by_the_inventory_only",
        f"{STATING}::test_not_applicable_counts_once_another_approved_it",
        f"{HERE}::test_5_no_reading_makes_a_row_not_applicable",
    ),
    "6 it holds by coverage and passing share": (
        f"{SOAK}::test_a_full_good_window_holds", f"{SOAK}::test_many_small_gaps_lack_coverage",
        f"{SOAK}::test_too_many_single_failures_lack_passing",
        f"{HERE}::test_6_the_edges_of_coverage_and_passing",
    ),
    "6 max_gap is the larger of 30 min and 2 x every + timeout": (f"{SOAK}::test_the_least_gap",),
    "6 window and gaps count calendar-open time": (
        f"{SOAK}::test_what_a_calendar_closes_is_neither_gap_nor_window",
    ),
    "6 a window past raw retention is a load error": (
        f"{HERE}::test_6_a_soak_that_reaches_past_raw_retention_is_a_load_error",
    ),
    "6 an item that judges a statistic soaks by coverage and gaps only": (
        f"{HERE}::test_6_a_statistic_soaks_by_coverage_and_gaps_only",
    ),
    "6 only a hard state or too long a gap starts it again": (
        f"{SOAK}::test_a_hard_state_starts_it_again", f"{SOAK}::test_a_gap_over_the_limit_starts_it_again",
        f"{SOAK}::test_a_single_bad_reading_does_not_start_it_again",
    ),
    "6 until then unknown(soaking) with what is left": (f"{JUDGING}::test_soak_says_what_is_left",),
    # The verdict of a unit
    "verdict: all combinations, in the paragraph's order": (
        f"{VERDICT}::test_all_combinations", f"{VERDICT}::test_every_subset_of_kinds_of_items",
        f"{HERE}::test_verdict_every_presence_of_severity_and_status",
    ),
    "verdict: more waivers than max_waivers is NOT_READY": (
        f"{VERDICT}::test_waivers_over_the_limit_are_the_reason",
        f"{HERE}::test_verdict_the_order_of_the_paragraph",
    ),
    "verdict: nothing grave measured, or nothing selected, is UNKNOWN": (
        f"{HERE}::test_verdict_the_order_of_the_paragraph",
        "conformance/test_readiness.py::test_golden_config_421_a_unit_of_which_nothing_is_asked_is_unknown",
    ),
    "verdict: a score is for display only": (f"{HERE}::test_verdict_knows_no_score",),
    "roll-up: worst, counts and coverage": (f"{VERDICT}::test_rollup_counts_and_names_the_worst",),
    "roll-up: never part of the own verdict or the exit status": (
        f"{ROWS}::test_a_unit_s_roll_up_does_not_change_its_verdict",
        f"{HERE}::test_rollup_is_no_part_of_the_exit_status",
    ),
    "roll-up: an item may ask for a READY parent": (
        f"{ROWS}::test_an_item_may_ask_for_the_parent_s_verdict",
    ),
    "roll-up: units not due yet can be left out": ("readiness/test_selection.py::test_selects",),
    # After sign-off, and its record
    "after: regressed by three failed readings in a row": (
        f"{AFTER}::test_three_failed_readings_in_a_row_make_it_regressed",
    ),
    "after: unverified while it is unknown": (f"{AFTER}::test_unverified_while_a_row_is_unknown",),
    "after: drifted by the unit's own digest only": (
        f"{AFTER}::test_drifted_when_the_unit_itself_changes_and_not_when_another_does",
        f"{ROWS}::test_the_unit_digest_changes_with_the_unit_only",
        f"{HERE}::test_after_a_checklist_that_asks_more_is_drift",
    ),
    "after: only a new signature clears it": (f"{AFTER}::test_only_a_new_signature_clears_it",),
    "record: verdict, digests, evidence root, waivers, signer, role, time": (
        f"{SIGNING}::test_a_signature_keeps_verdict_digests_rows_and_readings",
        f"{HERE}::test_record_has_all_that_it_must",
    ),
    "record: a hash chain": (f"{SIGNING}::test_all_of_it_is_one_chain", f"{LEDGER}::test_any_change_shows"),
    "record: an optional signature by a key": (
        f"{SIGNING}::test_a_forger_who_seals_anew_lacks_the_key",
        f"{SIGNING}::test_a_wrong_key_is_refused_at_once",
    ),
    "record: the evidence is pinned": (f"{HERE}::test_record_evidence_survives_retention",),
    "record: verified offline": (
        f"{SIGNING}::test_a_record_is_whole_anywhere_and_any_change_to_it_shows",
    ),
    # Forecast
    "forecast: earliest_ready is the latest of four": (
        f"{FORECAST}::test_the_latest_decides", f"{FORECAST}::test_all_combinations",
    ),
    "forecast: slack decides on_track, at_risk, late": (f"{FORECAST}::test_slack_and_status_agree",),
    "forecast: without an owner and a date never on_track": (
        f"{FORECAST}::test_an_open_row_without_owner_and_date_is_never_on_track",
    ),
    # People
    "people: roles are scoped to a subtree": (f"{HERE}::test_people_roles_by_subtree",),
    "people: who is not mapped neither approves nor signs": (
        f"{HERE}::test_people_who_is_not_mapped_neither_approves_nor_signs",
        f"{SIGNING}::test_who_may_not_sign_and_what_is_not_signed",
    ),
    "people: every record says unauthenticated": (f"{HERE}::test_people_every_record_says_unauthenticated",),
}  # fmt: skip
