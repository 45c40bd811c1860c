"""Each promise of SECURITY.md names the tests that hold it; a sentence of a limit has none."""

import re

import pytest
from admin import TOP

TEXT = (TOP / "SECURITY.md").read_text()
TURNED = "test_turned_verbs.py: below_a_directory_of_the_attacker, in_a_directory_like_tmp"
PROGRAMS = "cli/test_programs_of_others.py: it_is_not_run, what_was_checked_is_what_is_run"
CONFIGURATION = "cli/test_who_wrote_the_configuration.py: what_another_user_could_write_is_not_obeyed"
TABLE = "cli/test_secrets_table.py: a_secret_is_in_closed_files_and_pipes_alone"
PROBE = (
    "probe/test_misbehaving.py: who_is_not_the_hub_is_not_told_the_secret, "
    "clear_text_needs_a_word_that_says_so"
)
POSTGRES = (
    "test_live_postgres_tls.py: a_server_at_a_port_of_this_host_has_to_know_the_password, "
    "a_fake_server_without_tls_gets_no_password, a_weaker_mode_is_refused_before_anything_is_sent"
)
HEAD = (
    "cli/test_inventory_check.py: events_that_were_cut_off_are_found_by_the_head_that_was_noted",
    "inventory/test_chain.py: what_is_cut_off_is_found_by_the_head_that_was_noted",
)
IMPOSTORS = (
    "test_live_exim.py: client_exim_logs_in_at_hub_sendmail_but_not_at_an_impostor",
    "test_live_postfix.py: sendmail_relays_for_postfix_that_gives_nothing_to_another_hub",
    "test_live_small_senders.py: gets_no_secret",
)
NOT_THERE = (
    "cli/test_token.py: the_key_is_made_in_the_token_and_never_leaves_it",
    "cli/test_ca_show_export.py: issuing_goes_on_without_the_root_key",
)
LINK = "test_turned_names.py: a_link_of_another_user_is_not_followed"
FUZZ = "fuzz/test_parsers.py: altered_files_are_read_or_refused"

WHO: dict[str, tuple[str, ...]] = {
    "another user of the host": (
        TABLE,
        TURNED,
        LINK,
        CONFIGURATION,
        PROGRAMS,
        POSTGRES,
        "cli/test_hostile_places.py: nothing_is_written_there",
        "cli/test_another_user.py: another_user_is_told_so",
        "test_files.py: lock_of_another_user_is_refused_with_the_way_out",
        "test_locks.py: who_holds_a_gdbm_file_is_named, who_holds_a_lock_without_a_name_is_named",
    ),
    "a process of the same user": (
        "cli/test_closed_memory.py: a_core_is_not_dumped, who_came_in_time_alone_reads_memory",
    ),
    "who listens on the network": (PROBE, POSTGRES, *IMPOSTORS),
    "a server in between, or a wrong one": (
        PROBE,
        "probe/test_misbehaving.py: who_can_not_prove_to_know_the_secret_is_told_no_more",
        FUZZ,
        "smtp/test_dialogue.py: any_octets_give_replies_or_our_error_in_bounded_memory",
    ),
    "who hands over a file": (
        "cli/test_setup_client.py: a_hostile_bundle_is_refused_in_one_line, sizes_that_are_not_there",
        "cli/test_hostile_backup.py: a_crafted_one_is_refused_and_nothing_is_written",
        "cli/test_hostile_backup.py: an_inventory_that_leads_elsewhere_is_not_obeyed_unasked",
        "cli/test_hostile_backup.py: a_token_library_does_not_come_with_the_archive",
        "cli/test_hostile_backup.py: an_inventory_that_acts_by_itself_is_refused",
        "fuzz/test_long.py: a_long_file_is_read_in_time",
        "cli/test_bundle.py: a_bundle_that_asks_for_gigabytes_is_refused_before_they_are_spent",
        "cli/test_sign.py: nobody_gets_the_name_of_another_host_a_wildcard_or_an_address",
        FUZZ,
        "sasldb/test_damaged.py: thousands_of_damaged_files",
        "pki/test_keys.py: years_of_rounds_are_refused_before_they_begin",
    ),
    "a client host that was broken into": (
        "test_live_pull.py: the_key_opens_nothing_but_the_bundle",
        "cli/test_retire.py: a_host_is_revoked_and_nothing_of_it_is_left",
    ),
    "the database server of shared": (
        *HEAD,
        "cli/test_altered.py: a_revocation_that_was_taken_back_stays_published",
        "cli/test_shared_inventory.py: a_server_names_no_directory_of_root, a_server_has_no_name_signed",
        "cli/test_shared_inventory.py: a_server_has_no_account_replaced_elsewhere, a_server_has_nobody_relay",
        "cli/test_shared_inventory.py: a_server_has_no_authority_trusted",
    ),
    "root on the authority's host": (
        *HEAD,
        *NOT_THERE,
        "pki/test_keys.py: the_default_cost_is_a_million_rounds_of_sha512",
    ),
}

PROMISES: dict[str, tuple[str, ...]] = {
    "A secret is read from": (
        TABLE,
        "cli/test_passphrase_sources.py: file, fd, cmd, a_keyring_that_protects_what_it_stores",
        "sources/test_prompt.py: asked_once_without_echo",
        "cli/test_passphrase_sources.py: no_secret_in_arguments_or_environment_of_children",
        "test_secret.py: repr_and_logging_show_nothing",
        "cli/test_json_schema.py: no_answer_holds_the_secret",
    ),
    "`python tests/secrets_table.py` runs every": ("cli/test_secrets_table.py: no_command_is_forgotten",),
    "Files are closed before they have content": (
        "test_files.py: files_are_private_under_any_umask, kill_at_every_system_call_leaves_old_or_new",
    ),
    "After a kill at any system call": (
        "cli/test_kill_points.py: the_next_run_completes_what_was_killed_anywhere",
        "faults/test_calls.py: the_same_command_goes_on",
    ),
    "Paths are walked from": (
        TURNED,
        CONFIGURATION,
        LINK,
    ),
    "A certificate is linted before": (
        "pki/test_issue.py: what_is_signed_is_what_was_linted",
        "pki/test_issue.py: a_signer_elsewhere_signs_once_and_nothing_that_breaks_a_rule",
        "cli/test_sign.py: what_else_is_asked_for_is_told_and_left_out",
    ),
    "A revocation is never lost": (
        "cli/test_restored.py: no_revocation_is_lost, a_number_is_not_used_twice",
        "inventory/test_sqlite.py: crl_numbers_are_given_once_among_processes",
    ),
    "Each event of the inventory carries": ("inventory/test_chain.py: the_hashes_are_what_the_manual_says",),
    "`inventory check` follows the chain": (
        *HEAD,
        "inventory/test_chain.py: what_is_altered_or_deleted_is_named",
    ),
    "Root runs no program that": (
        PROGRAMS,
        "cli/test_programs_of_others.py: a_keyring_of_another_user_is_not_obeyed",
        "cli/test_token.py: a_library_that_another_user_could_change_is_not_loaded",
    ),
    "What that program runs in turn": (),
    "Every command that hands out a secret": (
        TABLE,
        "cli/test_syslog.py: a_line_goes_at_its_deed_and_waits_after_the_locks",
    ),
    "A daemon that takes nothing": (
        "cli/test_syslog.py: a_daemon_that_is_stopped_holds_nobody_up",
        "cli/test_syslog.py: the_patience_is_that_of_the_process_until_a_line_is_taken",
    ),
    "Lines that a stopped daemon": (),
    "What smtpcreds installs for mail programs": (
        "mta/test_programs.py: no_authenticator_of_exim_works_outside_tls",
        "test_live_mta_sendmail.py: plain_and_login_are_offered_inside_tls_only",
        "test_live_probe.py: all_is_well",
        "test_live_probe_postfix.py: every_mechanism_and_every_refusal",
        "test_live_probe_exim.py: every_mechanism_and_every_refusal",
        "test_live_probe_dovecot.py: all_is_well",
        "audit/test_codes.py: what_is_broken_is_found_and_its_cure_ends_it",
    ),
    "Encrypted: `ca init` asks": (
        "pki/test_keys.py: the_default_cost_is_a_million_rounds_of_sha512",
        "cli/test_ca_init.py: the_key_is_encrypted_as_no_incumbent_does",
    ),
    "In a token": ("cli/test_token.py: the_key_is_made_in_the_token_and_never_leaves_it",),
    "Offline": ("cli/test_ca_rollover.py: a_new_issuing_ca_below_the_same_root",),
    "`ca export --root-key": (
        "cli/test_ca_show_export.py: a_root_key_that_is_another_one_is_not_removed",
        "cli/test_ca_show_export.py: a_kill_never_loses_the_root_key",
        "cli/test_ca_show_export.py: issuing_goes_on_without_the_root_key",
        "test_live_curl_chain.py: curl_refuses_a_hub_below_a_retired_issuing_ca",
    ),
    "Name constraints limit": ("pki/test_chains.py: constraints_of_every_ca_bind",),
    "Backup": ("cli/test_backup.py: a_backup_is_proven_without_being_restored",),
    "`tests/constraints.txt` pins": (
        "test_supply.py: every_pin_has_a_hash_and_no_place, what_is_required_is_pinned",
        "test_supply.py: nothing_is_installed_that_is_not_pinned, what_is_installed_here_is_what_is_pinned",
    ),
    "What it needs beside them": (),
    "`.venv/bin/python contrib/sbom` writes": (
        "test_supply.py: the_bill_of_materials_names_what_runs_as_it_is_pinned",
    ),
    "The lowest versions": ("test_supply.py: the_lowest_versions_are_those_of_the_project",),
    "An installed `smtpcreds` starts": (
        "test_installed.py: it_obeys_nothing_of_the_environment",
        "test_installed.py: an_installation_that_another_user_can_change_does_not_run",
        "test_installed.py: an_installation_that_another_user_can_add_to_does_not_run",
    ),
    "`python3 -m smtpcreds` obeys": (),
}


def sentences(*titles: str) -> list[str]:
    found = []
    for title in titles:
        section = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]
        for paragraph in re.split(r"\n\n|\n\* |^\* ", section):
            found += re.split(r"(?<=\.) (?=[A-Z`])", " ".join(paragraph.split()))
    return [sentence for sentence in found if sentence]


def rows() -> list[str]:
    """Return what the first column says."""
    return re.findall(r"^\| (?!who \|)([^|]+) \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize(
    ("found", "held"),
    [
        (rows(), WHO),
        (sentences("What is promised", "The authority's key", "What is installed"), PROMISES),
    ],
    ids=["who", "what"],
)
def test_every_promise_is_held_by_tests(found: list[str], held: dict[str, tuple[str, ...]]) -> None:
    assert [next((key for key in held if text.startswith(key)), text) for text in found] == list(held)


@pytest.mark.parametrize(
    "named", sorted({one for held in (WHO, PROMISES) for some in held.values() for one in some})
)
def test_those_tests_are_there(named: str) -> None:
    file, _, names = named.partition(": ")
    text = (TOP / "tests" / file).read_text()
    assert [
        name for name in names.split(", ") if not re.search(rf"^ *def test_{name}\(", text, re.MULTILINE)
    ] == []
