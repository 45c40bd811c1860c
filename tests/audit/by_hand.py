"""Cures that are sentences, by what breaks a host so: why no command can be printed; and first steps."""

_DECIDES = "what is to be let in is the administrator's decision"
_OF_OTHERS = "it stands in a file of the administrator's, in words that no command finds for certain"
_CHOOSES = "which account gets a new secret is the administrator's choice"
_KDC = "it is typed at the Kerberos server, and the next line there"
_PACKAGE = "a package is installed from the network"

BY_HAND = {
    "main_cf_that_is_none": "what cannot be read can be anything",
    "subject_without_issuer": _DECIDES,
    "name_with_a_blank": _DECIDES,
    "starttls_taken_by_a_ruleset": _OF_OTHERS,
    "ruleset_that_refuses_everybody": _OF_OTHERS,
    "tls_refused_to_everybody": _OF_OTHERS,
    "mail_refused_as_it_goes": _OF_OTHERS,
    "users_mail_past_the_daemon": "submit.cf is made of submit.mc, which is not here",
    "filter_that_does_not_run": "to start it, or to go on without it, is the administrator's decision",
    "another_port": _OF_OTHERS,
    "login_name": "the successor's name is the administrator's choice",
    "missing_plugin": _PACKAGE,
    "missing_backend": _PACKAGE,
    "plugin_of_gssapi_is_missing": _PACKAGE,
    "keytab_is_missing": _KDC,
    "keytab_is_none": _KDC,
    "keytab_of_another_service": _KDC,
    "realm_in_the_place_of_the_name": "which of both is meant is the administrator's decision",
    **dict.fromkeys(("accounts_by_verifier_only", "accounts_by_verifier_only_for_exim"), _CHOOSES),
    "malformed_line_for_exim": "what the line of the administrator was to say is not known",
    "second_name": "which of both names is wrong is not known",
    "key_of_an_old_ca_below": "it is to be kept first, elsewhere",
    "two_crls_in_a_file": _OF_OTHERS,
    "intermediate_in_the_certificate_file_alone": "it is to be looked at, where that CA comes from",
    "certificate_as_debian_makes_one": _OF_OTHERS,
    "authority_that_is_gone": "nothing but the backup has the key of the authority",
    "crl_that_is_handed_out_nowhere": "where the web server has its files is not known",
    "postfix_asks_a_database_of_which_nothing_is_known": "what was in the file is not known",
    "postfix_has_a_second_instance": "nothing is wrong with it",
    "postfix_asks_a_database": "what to look up is not known",
    "postfix_asks_a_directory_how_to_verify": "what to look up is not known",
    "exim_for_everybody": _OF_OTHERS,
    "exim_without_a_way_out": _OF_OTHERS,
    "exim_of_a_client_host_past_its_hub": _OF_OTHERS,
    "postfix_trusts_every_certificate": _DECIDES,
}
FIRST_STEPS = {
    "strangers": "the request goes to another CA, whose answer is installed",
    "weak_secret": "the former account goes when its hosts have the new one",
}
"""Commands after which the finding stays until the next step, which they print."""
ELSEWHERE = {
    "MTA010": "the daemon is to read its files again: tests/test_live_revoked.py",
    "MTA150": "asks for bundles of two hubs: tests/cli/test_two_hubs.py",
    "SASL018": "asks for a socket that runs: tests/test_live_saslauthd.py",
}
"""Codes for which a process has to run, or other hosts have to be."""
