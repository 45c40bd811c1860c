"""Sendmail and what surrounds it, each broken so that one code is found."""

from admin import HUB

from .breaking import BUNDLE, breaks, touch
from .scene import (
    ACCESS,
    AUTH_INFO,
    AUTHINFO,
    CF,
    MC,
    Host,
    compile_cf,
    openssl,
)


@breaks("MTA001", "hub", "MTA017")
def trusted_and_not_offered(host: Host) -> None:
    host.replace(CF, "C{TrustAuthMech}SCRAM-SHA-256", "C{TrustAuthMech}PLAIN SCRAM-SHA-256")


@breaks("MTA002", "hub", "MTA009", "MTA017", "SASL015")
def plain_outside_tls(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "`p y'", "`y'")
    host.replace("/etc/mail/smtpcreds/hub.m4", "CRAM-MD5'", "CRAM-MD5 PLAIN'")
    compile_cf(host)


@breaks("MTA020", "hub", "MTA009", "MTA017", "CERT019", "SASL015")
def external_for_every_ca(host: Host) -> None:
    """The hub has a certificate of another CA, too, and takes logins by whatever that certified."""
    other, key = host.root / "other.pem", host.root / "other.key"
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", key)
    openssl("req", "-x509", *new, "-subj", "/CN=Other CA", "-days", "900", "-out", other)
    bundle = host.cert(BUNDLE)
    bundle.write_bytes(bundle.read_bytes() + other.read_bytes())
    for file in (other, key):
        file.unlink()
    host.replace("/etc/mail/smtpcreds/hub.m4", "CRAM-MD5'", "CRAM-MD5 EXTERNAL'")
    compile_cf(host)


@breaks("MTA003", "client", "MTA009", "MTA017")
def dead_auth_info(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/client.m4", "define(`Sauthinfo', `Sauthinfo_unused')dnl\n", "")
    compile_cf(host)


@breaks("MTA003", "mapped", "SASL023")
def auth_info_beside_a_map(host: Host) -> None:
    host.write(AUTH_INFO, f"maildroid\nmaildroid\ngeheim\n{HUB}\n", 0o600)


@breaks("MTA004", "hub", "MTA009", "MTA017")
def no_ca_path(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "define(`confCACERT_PATH', `/etc/mail/certs')dnl\n", "")
    compile_cf(host)


@breaks("MTA005", "hub", "MTA009", "MTA017")
def relative_path(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "`/etc/mail/certs/dmzmail-key.pem'", "`certs/dmzmail-key.pem'")
    compile_cf(host)


@breaks("MTA006", "hub", "MTA017")
def blank_in_a_list(host: Host) -> None:
    path = "/etc/mail/certs/dmzmail-cert.pem"
    host.replace(CF, f"O ServerCertFile={path}", f"O ServerCertFile={path}, {path}")


@breaks("MTA006", "hub", "MTA017")
def fewer_keys_than_certificates(host: Host) -> None:
    path = "/etc/mail/certs/dmzmail-cert.pem"
    host.replace(CF, f"O ServerCertFile={path}", f"O ServerCertFile={path},{path}")


@breaks("MTA007")
def stale_map(host: Host) -> None:
    touch(host.path(f"{ACCESS}.db"), -60)


@breaks("MTA007", "mapped", "MTA009")
def missing_map(host: Host) -> None:
    host.path(f"{AUTHINFO}.db").unlink()


@breaks("MTA008")
def stale_cf(host: Host) -> None:
    for path in (CF, "/etc/mail/smtpcreds/hub.m4"):
        touch(host.path(path), -60)


@breaks("MTA008")
def stale_fragment(host: Host) -> None:
    for path in (CF, MC):
        touch(host.path(path), -60)


@breaks("MTA009")
def edited(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "dnl Sendmail", "dnl Mine; Sendmail")


@breaks("MTA011")
def unknown_digest(host: Host) -> None:
    line = "define(`confCERT_FINGERPRINT_ALGORITHM', `sha265')dnl\n"
    host.replace(MC, "FEATURE(`access_db')dnl\n", "FEATURE(`access_db')dnl\n" + line)
    compile_cf(host)


@breaks("MTA012", "client", "MTA009")
def two_lines(host: Host) -> None:
    host.path(AUTH_INFO).write_text("maildroid\nmaildroid\n")


@breaks("MTA012", "client", "MTA009")
def secret_that_is_a_comment(host: Host) -> None:
    host.path(AUTH_INFO).write_text("maildroid\nmaildroid\n#geheim\n")


@breaks("MTA012", "client", "MTA009")
def edited_elsewhere(host: Host) -> None:
    text = host.path(AUTH_INFO).read_bytes()
    host.path(AUTH_INFO).write_bytes(text.replace(b"\n", b"\r\n"))


@breaks("MTA012", "client", "MTA009")
def another_realm(host: Host) -> None:
    host.path(AUTH_INFO).write_text("maildroid\nmaildroid\ngeheim\nexample.net\n")


@breaks("MTA012", "client", "MTA009")
def mechanism_that_is_not_tried(host: Host) -> None:
    with host.path(AUTH_INFO).open("a") as file:
        file.write("GSSAPI\n")


@breaks("MTA013")
def subject_without_issuer(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "CertSubject:/CN=attic RELAY\n")


@breaks("MTA013")
def name_with_a_blank(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "CertIssuer:/CN=Our Mail CA\tRELAY\n")


@breaks("MTA014", "hub", "MTA009")
def offered_and_not_trusted(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "TRUST_AUTH_MECH(`SCRAM-SHA-256 ", "TRUST_AUTH_MECH(`")
    compile_cf(host)


@breaks("MTA015", "mapped", "MTA009")
def too_long_for_the_map(host: Host) -> None:
    host.path(AUTHINFO).write_text(f'AuthInfo:{HUB}\t"U:maildroid" "I:maildroid" "P={"QUFB" * 64}"\n')
    touch(host.path(AUTHINFO), -86400)


@breaks("MTA015", "mapped", "MTA009")
def key_that_is_never_looked_up(host: Host) -> None:
    host.replace(AUTHINFO, f"AuthInfo:{HUB}", f"AuthInfo:[{HUB}]")


@breaks("MTA016")
def name_that_does_not_exist(host: Host) -> None:
    host.replace(MC, "FEATURE(", "define(`confCIPHER_SUITES', `TLS_AES_256_GCM_SHA384')dnl\nFEATURE(")


@breaks("MTA017")
def fragment_not_included(host: Host) -> None:
    host.replace(MC, "include(`/etc/mail/smtpcreds/hub.m4')dnl\n", "")
    compile_cf(host)


@breaks("MTA017")
def result_edited_by_hand(host: Host) -> None:
    host.replace(CF, "O AuthOptions=p y", "O AuthOptions=p,y")


@breaks("MTA018")
def clear_text_fallback(host: Host) -> None:
    line = "define(`confTLS_FALLBACK_TO_CLEAR', `true')dnl\n"
    host.replace(MC, "FEATURE(`access_db')dnl\n", "FEATURE(`access_db')dnl\n" + line)
    compile_cf(host)


@breaks("MTA030", "hub", "MTA017")
def listens_for_itself_alone(host: Host) -> None:
    host.replace(MC, "`Family=inet, Name=MTA, Port=smtp'", "`Port=smtp,Addr=127.0.0.1, Name=MTA'")  # RHEL's
    compile_cf(host)


def in_mc(host: Host, line: str, scene_line: str = "FEATURE(`access_db')dnl\n") -> None:
    """Put a line into sendmail.mc, and compile."""
    host.replace(MC, scene_line, f"{scene_line}{line}\n")
    compile_cf(host)


def modifier(host: Host, letters: str) -> None:
    host.replace(MC, "Port=smtp'", f"Port=smtp, M={letters}'")
    compile_cf(host)


@breaks("MTA021")
def daemon_without_auth(host: Host) -> None:
    modifier(host, "A")


@breaks("MTA021")
def daemon_without_starttls(host: Host) -> None:
    modifier(host, "ES")


@breaks("MTA022")
def daemon_with_tls_from_the_start(host: Host) -> None:
    modifier(host, "s")


@breaks("MTA023")
def no_certificate_asked_for(host: Host) -> None:
    in_mc(host, "define(`confTLS_SRV_OPTIONS', `V')dnl")
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "CertIssuer:/CN=Ours\tRELAY\n")


@breaks("MTA024")
def auth_taken_by_the_access_map(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "Srv_Features:192.0.2\tA\n")


@breaks("MTA024")
def starttls_taken_by_a_ruleset(host: Host) -> None:
    in_mc(host, "LOCAL_RULESETS\nSLocal_srv_features\nR$*\t\t$# S\n", "MAILER(`smtp')dnl\n")


@breaks("MTA025", "client")
def client_that_never_logs_in(host: Host) -> None:
    in_mc(host, "CLIENT_OPTIONS(`Family=inet, Modifiers=A')dnl")


@breaks("MTA025", "client")
def client_without_tls(host: Host) -> None:
    with host.path(ACCESS).open("a") as file:
        file.write("Try_TLS:polkatistas.org\tNO\n")
    touch(host.path(ACCESS), -86400)


@breaks("MTA024")
def everybody_put_off(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "Srv_Features:\tTEMP\n")


@breaks("MTA025", "client")
def client_that_never_logs_in_there(host: Host) -> None:
    with host.path(ACCESS).open("a") as file:
        file.write("Clt_Features:dmzmail.polkatistas.org\tA\n")
    touch(host.path(ACCESS), -86400)


@breaks("MTA025", "client")
def client_without_tls_at_an_address(host: Host) -> None:
    host.write("/etc/hosts", f"192.0.2.10 {HUB} dmzmail\n")
    with host.path(ACCESS).open("a") as file:
        file.write("Try_TLS:192.0.2\tNO\n")
    touch(host.path(ACCESS), -86400)


@breaks("MTA026")
def ruleset_that_refuses_everybody(host: Host) -> None:
    rule = 'R$*\t\t$#error $@ 5.7.1 $: "550 not today"'
    in_mc(host, f"LOCAL_RULESETS\nSLocal_check_rcpt\n{rule}\n", "MAILER(`smtp')dnl\n")


@breaks("MTA026")
def tls_refused_to_everybody(host: Host) -> None:
    rule = 'R$*\t\t$#error $@ 5.7.1 $: "550 not today"'
    in_mc(host, f"LOCAL_RULESETS\nStls_srv_features\n{rule}\n", "MAILER(`smtp')dnl\n")


@breaks("MTA026", "client")
def mail_refused_as_it_goes(host: Host) -> None:
    rule = 'R$*\t\t$#error $@ 5.7.1 $: "550 not today"'
    in_mc(host, f"LOCAL_RULESETS\nScheck_compat\n{rule}\n", "MAILER(`smtp')dnl\n")


@breaks("MTA027")
def promiscuous_relay(host: Host) -> None:
    in_mc(host, "FEATURE(`promiscuous_relay')dnl")


@breaks("MTA029")
def more_bits_than_there_are(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "TLS_Clt:\tENCR:512\n")


@breaks("MTA031")
def no_cipher_suite_left(host: Host) -> None:
    in_mc(host, "LOCAL_CONFIG\nO CipherSuites=TLS_AES_128_CCM_8_SHA256\n", "MAILER(`smtp')dnl\n")


@breaks("MTA032", "client")
def users_mail_past_the_daemon(host: Host) -> None:
    host.write("/etc/mail/submit.cf", "D{MTAHost}[dmzmail.polkatistas.org]\n")


@breaks("MTA028")
def no_version_left(host: Host) -> None:
    in_mc(host, "define(`confSERVER_SSL_OPTIONS', `+SSL_OP_NO_TLSv1_2 +SSL_OP_NO_TLSv1_3')dnl")


def define(host: Host, *lines: str) -> None:
    in_mc(
        host,
        "\n".join(
            f"define(`{name}', `{value}')dnl" for name, value in (line.split(" ", 1) for line in lines)
        ),
    )


@breaks("MTA028")
def no_version_left_by_number(host: Host) -> None:
    define(host, "confSERVER_SSL_OPTIONS 0x28000000")


@breaks("MTA028", "client")
def a_version_left_out_between_others(host: Host) -> None:
    """A client speaks none above it."""
    define(host, "confCLIENT_SSL_OPTIONS +SSL_OP_NO_TLSv1_2")


@breaks("MTA028")
def no_mechanism_left_by_a_line_above(host: Host) -> None:
    """AuthOptions are added to each other."""
    in_mc(host, "LOCAL_CONFIG\nO AuthOptions=d\n", "MAILER(`smtp')dnl\n")


@breaks("MTA033")
def no_cipher_left(host: Host) -> None:
    define(host, "confSERVER_SSL_OPTIONS +SSL_OP_NO_TLSv1_3", "confCIPHER_LIST NULL")


@breaks("MTA033")
def larger_keys_than_there_are(host: Host) -> None:
    define(host, "confCIPHER_LIST ALL:@SECLEVEL=4")


@breaks("MTA034")
def filter_that_does_not_run(host: Host) -> None:
    in_mc(host, "INPUT_MAIL_FILTER(`dead', `S=local:/run/dead.sock, F=R')dnl")


@breaks("MTA035")
def our_domain_refused(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "Connect:polkatistas.org\tREJECT\n")


@breaks("MTA035", "client")
def users_of_a_client_host_refused(host: Host) -> None:
    with host.path(ACCESS).open("a") as file:
        file.write("From:attic.polkatistas.org\tREJECT\nConnect:polkatistas.org\tREJECT\n")
    touch(host.path(ACCESS), -86400)


@breaks("MTA036")
def block_lists_first(host: Host) -> None:
    in_mc(host, "FEATURE(`dnsbl', `bl.example.net')dnl")


@breaks("MTA037", "hub", "SASL001")
def realm_without_accounts(host: Host) -> None:
    define(host, "confAUTH_REALM other.example")


@breaks("MTA038")
def an_engine(host: Host) -> None:
    define(host, "confSSL_ENGINE rdrand")


@breaks("MTA039")
def another_port(host: Host) -> None:
    host.replace(MC, "Port=smtp'", "Port=26'")
    compile_cf(host)


@breaks("MTA040", "client")
def mail_past_the_hub(host: Host) -> None:
    define(host, "confFALLBACK_MX other.example.net")


@breaks("MTA040")
def mail_to_one_host_alone(host: Host) -> None:
    define(host, "confCONNECT_ONLY_TO 192.0.2.99")


@breaks("MTA041")
def mail_waits_for_the_queue(host: Host) -> None:
    define(host, "confDELIVERY_MODE queueonly")


@breaks("MTA041")
def mail_of_a_port_waits_for_the_queue(host: Host) -> None:
    host.replace(MC, "Port=smtp'", "Port=smtp, DeliveryMode=q'")
    compile_cf(host)


@breaks("MTA042")
def another_user(host: Host) -> None:
    define(host, "confRUN_AS_USER mail")


@breaks("MTA043")
def no_message_is_small_enough(host: Host) -> None:
    define(host, "confMAX_MESSAGE_SIZE 100")


@breaks("MTA043", "client")
def no_message_of_users(host: Host) -> None:
    define(host, "confMAX_HOP 1")


@breaks("MTA044")
def one_connection_at_a_time(host: Host) -> None:
    define(host, "confMAX_DAEMON_CHILDREN 1")


@breaks("MTA044")
def one_connection_at_a_time_at_a_port(host: Host) -> None:
    host.replace(MC, "Port=smtp'", "Port=smtp, children=1'")
    compile_cf(host)


@breaks("MTA045")
def one_connection_a_minute(host: Host) -> None:
    in_mc(host, "FEATURE(`ratecontrol')dnl")
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "ClientRate:\t1\n")


@breaks("MTA046")
def an_unknown_exception(host: Host) -> None:
    define(host, "confDONT_BLAME_SENDMAIL nonsense")


@breaks("MTA046")
def a_filter_that_nobody_defined(host: Host) -> None:
    define(host, "confINPUT_MAIL_FILTERS nosuch")


@breaks("MTA046", "client")
def no_queue(host: Host) -> None:
    define(host, "QUEUE_DIR /var/spool/nosuch/q*")


@breaks("MTA046")
def no_daemon(host: Host) -> None:
    define(host, "confUSE_MSP True")


@breaks("MTA047")
def a_mailer_that_is_not_there(host: Host) -> None:
    define(host, "confRELAY_MAILER nosuch")


@breaks("MTA047", "client")
def a_mailer_that_keeps_mail_here(host: Host) -> None:
    define(host, "confRELAY_MAILER local")


@breaks("MTA047", "client")
def a_name_that_is_none(host: Host) -> None:
    define(host, "confHELO_NAME not valid")


@breaks("MTA047", "client")
def from_this_host_to_itself(host: Host) -> None:
    in_mc(host, "CLIENT_OPTIONS(`Family=inet, Addr=127.0.0.1')dnl")


@breaks("MTA047")
def from_the_port_of_the_daemon(host: Host) -> None:
    in_mc(host, "CLIENT_OPTIONS(`Family=inet, Port=25')dnl")


@breaks("MTA047", "client")
def another_port_of_the_hub(host: Host) -> None:
    define(host, "RELAY_MAILER_ARGS TCP $h 26")


@breaks("MTA047")
def addresses_without_an_operator(host: Host) -> None:
    define(host, "confOPERATORS .:%!^/[]+")
