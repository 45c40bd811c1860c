"""The form of each parameter that services of Postfix read as they start; with another one they die.

Source: postconf(5); each was given to smtpd of 3.7.11 empty, or otherwise wrong.
"""

from re import Pattern

from ..lazy import pattern

_SWITCH, _NUMBER = pattern(r"yes|no"), pattern(r"-?\d+")
_CODE, _TEXT = pattern(r"[45]\d\d"), pattern(r".+")
_NATURAL, _POSITIVE, _LONG = pattern(r"\d+"), pattern(r"0*[1-9]\d*"), pattern(r"0*[1-9]\d*[smhdw]?")
_TIME = pattern(r"\d+[smhdw]?")


def _names(*known: str, may_be_empty: bool = True) -> tuple[Pattern[str], str]:
    """Return the form of a list of names, of which an unknown one ends whoever reads it."""
    word = f"(?:{'|'.join(known)})"
    words = rf"{word}(?:[\s,]+{word})*[\s,]*"
    return pattern(rf"[\s,]*(?:{words}){'?' * may_be_empty}"), f"of {', '.join(known)}"


_ENVELOPE, _HEADER = ("envelope_sender", "envelope_recipient"), ("header_sender", "header_recipient")
_OVERRIDING = _names(
    *("no_unknown_recipient_checks", "no_address_mappings", "no_header_body_checks", "no_milters")
)
_OF_ALL = {
    "line_length_limit": (
        pattern(r"0*(?:51[2-9]|5[2-9]\d|[6-9]\d\d|[1-9]\d{3,})"),
        "a number from 512 on",
    ),
    "delay_logging_resolution_limit": (pattern(r"0*[0-6]"), "a number from 0 to 6"),
    "default_verp_delimiters": (pattern(r"\S{1,2}"), "one or two characters"),
    "header_from_format": (pattern(r"standard|obsolete"), "standard or obsolete"),
    "info_log_address_format": (pattern(r"external|internal"), "external or internal"),
    **dict.fromkeys(("mydomain", "myhostname"), (pattern(r"[a-z0-9_.-]+"), "a name of letters and digits")),
    "tls_config_file": (pattern(r"|default|none|/.+"), "a path, default or none"),
    "tls_random_source": (pattern(r"|(?:(?:dev|egd):.*|[^:]*)"), "a file, dev: or egd:"),
    "in_flow_delay": (pattern(r"0*(?:\d|10)s?"), "a time from 0s to 10s"),
}
"""With another value of these, no program of Postfix starts."""
FORMS = {
    **dict.fromkeys(
        (
            *("smtpd_sasl_auth_enable", "smtpd_tls_auth_only", "smtpd_tls_ask_ccert", "smtpd_tls_req_ccert"),
            *("smtpd_tls_wrappermode", "smtpd_delay_reject", "smtpd_use_tls", "smtpd_enforce_tls"),
            *("tls_append_default_CA", "smtpd_helo_required", "disable_vrfy_command", "soft_bounce"),
            *("smtpd_client_port_logging", "smtpd_delay_open_until_valid_rcpt", "smtpd_peername_lookup"),
            *("smtpd_reject_unlisted_recipient", "smtpd_reject_unlisted_sender"),
            *("smtpd_sasl_authenticated_header", "smtpd_tls_always_issue_session_ids"),
            *("smtpd_tls_received_header", "broken_sasl_auth_clients", "send_cyrus_sasl_authzid"),
            *("tls_preempt_cipherlist", "strict_rfc821_envelopes", "allow_untrusted_routing"),
            *("disable_dns_lookups", "enable_long_queue_ids", "helpful_warnings"),
            *("address_verify_negative_cache", "backwards_bounce_logfile_compatibility"),
            *("daemon_table_open_error_is_fatal", "disable_mime_input_processing", "smtputf8_enable"),
            *("disable_mime_output_conversion", "dns_ncache_ttl_fix_enable", "enable_original_recipient"),
            *("enable_idna2003_compatibility", "multi_instance_enable", "owner_request_special"),
            *("respectful_logging", "show_user_unknown_table_name", "smtpd_forbid_unauth_pipelining"),
            *("smtpd_per_request_deadline", "smtpd_relay_before_recipient_restrictions"),
            *("strict_7bit_headers", "strict_8bitmime", "strict_8bitmime_body", "strict_smtputf8"),
            *(
                "strict_mime_encoding_domain",
                "tls_fast_shutdown_enable",
                "tls_legacy_public_key_fingerprints",
            ),
            "tls_wildcard_matches_multiple_labels",
        ),
        (_SWITCH, "yes or no"),
    ),
    **dict.fromkeys(
        (
            *("smtpd_client_connection_count_limit", "smtpd_client_connection_rate_limit"),
            *("smtpd_client_message_rate_limit", "smtpd_client_recipient_rate_limit"),
            *("smtpd_client_auth_rate_limit", "smtpd_client_new_tls_session_rate_limit"),
            *("smtpd_tls_ccert_verifydepth", "smtpd_policy_service_request_limit", "dont_remove"),
            *(
                "access_map_defer_code",
                "access_map_reject_code",
                "defer_code",
                "invalid_hostname_reject_code",
            ),
            *("fault_injection_code", "maps_rbl_reject_code"),
            *("multi_recipient_bounce_reject_code", "non_fqdn_reject_code", "plaintext_reject_code"),
            *("reject_code", "relay_domains_reject_code", "tcp_windowsize", "unknown_address_reject_code"),
            *("unknown_client_reject_code", "unknown_hostname_reject_code"),
            *("unknown_local_recipient_reject_code", "unknown_relay_recipient_reject_code"),
            *("unknown_virtual_alias_reject_code", "unknown_virtual_mailbox_reject_code"),
        ),
        (_NUMBER, "a number"),
    ),
    **dict.fromkeys(("message_size_limit", "queue_minfree"), (_NATURAL, "a number from 0 on")),
    **dict.fromkeys(
        (
            *("smtpd_hard_error_limit", "smtpd_recipient_limit", "hopcount_limit"),
            *("smtpd_soft_error_limit", "smtpd_junk_command_limit", "smtpd_history_flush_threshold"),
            *("smtpd_recipient_overshoot_limit", "smtpd_policy_service_try_limit", "default_process_limit"),
            *("max_use", "header_size_limit", "mime_nesting_limit"),
            *("address_verify_poll_count", "berkeley_db_create_buffer_size", "berkeley_db_read_buffer_size"),
            *("debug_peer_level", "deliver_lock_attempts", "fork_attempts", "hash_queue_depth"),
            *("header_address_token_limit", "lmdb_map_size", "mime_boundary_length_limit"),
            *("smtpd_min_data_rate", "tls_random_bytes"),
        ),
        (_POSITIVE, "a number from 1 on"),
    ),
    "receive_override_options": _OVERRIDING,
    "notify_classes": _names(
        *("bounce", "2bounce", "data", "delay", "policy", "protocol", "resource", "software")
    ),
    "inet_protocols": (pattern(r"(?:(?:all|ipv4|ipv6)[\s,]*)*"), "all, ipv4 or ipv6"),
    **dict.fromkeys(
        (
            *("smtpd_timeout", "smtpd_starttls_timeout", "smtpd_proxy_timeout", "daemon_timeout"),
            *("smtpd_policy_service_timeout", "smtpd_policy_service_retry_delay", "ipc_timeout", "max_idle"),
            *("smtpd_upstream_proxy_timeout", "milter_connect_timeout", "milter_command_timeout"),
            *("milter_content_timeout", "anvil_rate_time_unit", "anvil_status_update_time"),
            *("address_verify_poll_delay", "application_event_drain_time", "deliver_lock_delay"),
            *("fork_delay", "ipc_idle", "ipc_ttl", "smtpd_policy_service_max_idle", "stale_lock_time"),
            *("smtpd_policy_service_max_ttl", "trigger_timeout", "service_throttle_time"),
            *("tls_random_prng_update_period", "tls_random_reseed_period"),
        ),
        (_LONG, "a time from 1s on"),
    ),
    **dict.fromkeys(
        ("smtpd_error_sleep_time", "address_verify_sender_ttl"),
        (_TIME, "a time from 0s on"),
    ),
    **_OF_ALL,
    **dict.fromkeys(
        (
            *("reject_tempfail_action", "unknown_address_tempfail_action"),
            *("unknown_helo_hostname_tempfail_action", "unverified_recipient_tempfail_action"),
            "unverified_sender_tempfail_action",
        ),
        (pattern(r"defer|defer_if_permit"), "defer or defer_if_permit"),
    ),
    "tls_daemon_random_bytes": (pattern(r"0*(?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])"), "a number from 1 to 255"),
    **dict.fromkeys(
        (
            *("smtpd_forbid_bare_newline_reject_code", "unverified_recipient_defer_code"),
            *("unverified_recipient_reject_code", "unverified_sender_defer_code"),
            "unverified_sender_reject_code",
        ),
        (_CODE, "a reply from 400 to 599"),
    ),
    "smtpd_forbid_bare_newline": (
        pattern(r"yes|no|normalize|note|reject"),
        "yes, no, normalize, note or reject",
    ),
    "smtpd_sasl_response_limit": (pattern(r"0*[1-9]\d{4,}"), "a number from 12288 on"),
    "compatibility_level": (pattern(r"\d+(\.\d+){0,2}"), "a level as 3.6"),
    **dict.fromkeys(
        (
            *("address_verify_service_name", "bounce_notice_recipient", "bounce_service_name"),
            *("cleanup_service_name", "command_directory", "daemon_directory", "data_directory"),
            *("default_database_type", "default_privs", "default_rbl_reply"),
            *("defer_service_name", "double_bounce_sender", "error_notice_recipient", "error_service_name"),
            *("flush_service_name", "hash_queue_names"),
            *("mail_name", "mail_owner", "mail_release_date", "mail_version", "maillog_file_compressor"),
            *("maillog_file_prefixes", "maillog_file_rotate_suffix", "meta_directory"),
            *("milter_default_action", "milter_macro_daemon_name", "milter_macro_v", "milter_protocol"),
            *("mynetworks_style", "myorigin", "openssl_path", "pickup_service_name"),
            *("postlog_service_name", "process_id_directory", "proxymap_service_name"),
            *("proxywrite_service_name", "queue_directory", "queue_service_name"),
            *("rewrite_service_name", "setgid_group", "shlib_directory", "showq_service_name"),
            *("smtpd_banner", "smtpd_expansion_filter", "smtpd_policy_service_default_action"),
            *("smtpd_sasl_path", "smtpd_sasl_service", "smtpd_sasl_type", "smtpd_tls_ciphers"),
            *("smtpd_tls_eecdh_grade", "smtpd_tls_fingerprint_digest", "smtpd_tls_mandatory_ciphers"),
            *("smtputf8_autodetect_classes", "syslog_facility", "syslog_name", "tls_dane_digests"),
            *("tls_eecdh_auto_curves", "tls_eecdh_strong_curve", "tls_eecdh_ultra_curve"),
            *("tls_export_cipherlist", "tls_high_cipherlist", "tls_low_cipherlist", "tls_medium_cipherlist"),
            *("tls_null_cipherlist", "tlsmgr_service_name", "trace_service_name"),
            *(),
            *(),
            "verp_delimiter_filter",
        ),
        (_TEXT, "a text"),
    ),
}

SENDING = {
    **dict.fromkeys(
        (
            *("ignore_mx_lookup_error", "lmtp_assume_final", "smtp_always_send_ehlo"),
            *("smtp_balance_inet_protocols", "smtp_bind_address_enforce"),
            *("smtp_cname_overrides_servername", "smtp_connection_cache_on_demand"),
            *("smtp_defer_if_no_mx_address_found", "smtp_enforce_tls", "smtp_never_send_ehlo"),
            *("smtp_per_request_deadline", "smtp_quote_rfc821_envelope", "smtp_randomize_addresses"),
            *("smtp_sasl_auth_enable", "smtp_sasl_auth_soft_bounce", "smtp_send_dummy_mail_auth"),
            *("smtp_send_xforward_command", "smtp_sender_dependent_authentication"),
            *("smtp_skip_5xx_greeting", "smtp_skip_quit_response", "smtp_tls_block_early_mail_reply"),
            *("smtp_tls_connection_reuse", "smtp_tls_enforce_peername"),
            *("smtp_tls_force_insecure_host_tlsa_lookup", "smtp_tls_note_starttls_offer"),
            *("smtp_tls_wrappermode", "smtp_use_tls"),
        ),
        (_SWITCH, "yes or no"),
    ),
    **dict.fromkeys(
        (
            *("smtp_connection_reuse_count_limit", "smtp_line_length_limit"),
            *("smtp_mx_address_limit", "smtp_mx_session_limit", "smtp_tls_scert_verifydepth"),
        ),
        (_NUMBER, "a number"),
    ),
    "smtp_tls_security_level": (
        pattern(r"|none|may|encrypt|fingerprint|verify|secure|dane(?:-only)?|half_dane"),
        "a level of TLS",
    ),
    "smtp_address_verify_target": (pattern(r"rcpt|data"), "rcpt or data"),
    "smtp_min_data_rate": (_POSITIVE, "a number from 1 on"),
    "smtp_sasl_auth_cache_name": (pattern(r"|proxy:.+"), "a table by proxy:"),
    **dict.fromkeys(
        (*("smtp_connect_timeout", "smtp_pix_workaround_threshold_time", "smtp_sasl_auth_cache_time"),),
        (_TIME, "a time, as 30s"),
    ),
    **dict.fromkeys(
        (
            *("queue_run_delay", "smtp_connection_cache_time_limit", "smtp_connection_reuse_time_limit"),
            *("smtp_data_done_timeout", "smtp_data_init_timeout", "smtp_data_xfer_timeout"),
            *("smtp_helo_timeout", "smtp_mail_timeout", "smtp_pix_workaround_delay_time"),
            *("smtp_quit_timeout", "smtp_rcpt_timeout", "smtp_rset_timeout", "smtp_starttls_timeout"),
            *("smtp_xforward_timeout", "minimal_backoff_time", "connection_cache_protocol_timeout"),
        ),
        (_LONG, "a time from 1s on"),
    ),
    **dict.fromkeys(
        (
            *("connection_cache_service_name", "smtp_helo_name"),
            *("smtp_sasl_type", "smtp_tls_ciphers", "smtp_tls_fingerprint_digest"),
            *("smtp_tls_mandatory_ciphers", "smtp_tls_secure_cert_match", "smtp_tls_verify_cert_match"),
            *("tlsproxy_service_name", "smtp_tls_dane_insecure_mx_policy"),
        ),
        (_TEXT, "a text"),
    ),
    "smtp_dns_resolver_options": _names("res_defnames", "res_dnsrch"),
    "smtp_dns_support_level": (pattern(r"disabled|enabled|dnssec|"), "disabled, enabled or dnssec"),
    "smtp_host_lookup": _names("dns", "native", may_be_empty=False),
    "smtp_address_preference": (pattern(r"any|ipv4|ipv6"), "any, ipv4 or ipv6"),
}
"""Likewise of smtp, which hands mail to the relay; each was given to that of 3.7.11 empty."""

BETWEEN = {
    **_OF_ALL,
    "receive_override_options": _OVERRIDING,
    "canonical_classes": _names(*_ENVELOPE, *_HEADER, may_be_empty=False),
    "sender_canonical_classes": _names("envelope_sender", "header_sender", may_be_empty=False),
    "recipient_canonical_classes": _names("envelope_recipient", "header_recipient", may_be_empty=False),
    "masquerade_classes": _names(*_ENVELOPE, *_HEADER),
    "propagate_unmatched_extensions": _names(
        *("canonical", "virtual", "alias", "forward", "include", "generic")
    ),
    **dict.fromkeys(
        (
            *("always_add_missing_headers", "disable_verp_bounces", "detect_8bit_encoding_header"),
            *("destination_concurrency_feedback_debug", "allow_min_user", "allow_percent_hack"),
            *("append_at_myorigin", "append_dot_mydomain", "resolve_dequoted_address"),
            *("resolve_null_domain", "resolve_numeric_domain", "swap_bangpath"),
        ),
        (_SWITCH, "yes or no"),
    ),
    **dict.fromkeys(
        (
            "default_destination_concurrency_limit",
            *("default_destination_recipient_limit"),
            *("default_destination_concurrency_failed_cohort_limit", "default_delivery_slot_cost"),
            *("default_delivery_slot_discount", "default_delivery_slot_loan"),
            *("default_extra_recipient_limit", "default_minimum_delivery_slots"),
            "default_recipient_limit",
            *("smtp_destination_concurrency_limit", "smtp_destination_recipient_limit"),
            *("smtp_destination_concurrency_failed_cohort_limit", "smtp_delivery_slot_cost"),
            *("smtp_delivery_slot_discount", "smtp_delivery_slot_loan", "smtp_extra_recipient_limit"),
            *("smtp_minimum_delivery_slots", "smtp_recipient_limit"),
            *("body_checks_size_limit", "duplicate_filter_limit"),
        ),
        (_NUMBER, "a number"),
    ),
    **dict.fromkeys(
        (
            *("qmgr_message_active_limit", "qmgr_message_recipient_limit"),
            *("qmgr_message_recipient_minimum", "initial_destination_concurrency"),
            *("smtp_initial_destination_concurrency", "default_recipient_refill_limit"),
            *("smtp_recipient_refill_limit", "address_verify_pending_request_limit"),
            *("virtual_alias_address_length_limit", "virtual_alias_expansion_limit"),
            "virtual_alias_recursion_limit",
        ),
        (_POSITIVE, "a number from 1 on"),
    ),
    "queue_file_attribute_count_limit": (pattern(r"0*[1-9]\d+"), "a number from 10 on"),
    **dict.fromkeys(
        (
            *("qmgr_clog_warn_time", "maximal_queue_lifetime", "bounce_queue_lifetime"),
            *("delay_warning_time", "default_destination_rate_delay", "default_transport_rate_delay"),
            *("smtp_destination_rate_delay", "smtp_transport_rate_delay"),
        ),
        (_TIME, "a time, as 30s"),
    ),
    **dict.fromkeys(
        (
            *("qmgr_daemon_timeout", "qmgr_ipc_timeout", "transport_retry_time", "maximal_backoff_time"),
            *("default_recipient_refill_delay", "smtp_recipient_refill_delay"),
        ),
        (_LONG, "a time from 1s on"),
    ),
    **dict.fromkeys(
        (
            *("cleanup_replace_stray_cr_lf", "empty_address_recipient", "default_transport"),
            *("local_transport", "relay_transport", "virtual_transport"),
            *("address_verify_default_transport", "address_verify_local_transport"),
            *("address_verify_relay_transport", "address_verify_virtual_transport"),
            "authorized_submit_users",
            *("empty_address_default_transport_maps_lookup_key"),
            *("empty_address_relayhost_maps_lookup_key"),
            *("default_destination_concurrency_negative_feedback"),
            *("default_destination_concurrency_positive_feedback"),
            *("smtp_destination_concurrency_negative_feedback"),
            *("smtp_destination_concurrency_positive_feedback",),
        ),
        (_TEXT, "a text"),
    ),
}
"""Likewise of cleanup, trivial-rewrite and qmgr, through which each message goes."""
