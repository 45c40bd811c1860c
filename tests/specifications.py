"""What the public specifications of packages say of the table of systems, and what none of them says.

By system and file the words to look for, and the fields that they give. ``Postfix`` is its own source, which
the packages leave as it is. What Debian's packages do is seen by running them.
"""

SPECIFIED: dict[str, dict[str, dict[str, object]]] = {
    "rhel": {  # Fedora's dist-git
        "cyrus-sasl.spec: gdbm_db_file, --with-dbpath, --with-dblib=gdbm": {
            "sasldb": "/etc/sasl2/sasldb2",
            "sasldb_format": "gdbm",
        },
        "cyrus-sasl.spec: --with-configdir=%{_plugindir2}:%{_sysconfdir}/sasl2": {
            "sasl_search": ("/usr/lib64/sasl2", "/etc/sasl2"),
        },
        "cyrus-sasl.spec: %files lib, plain, md5, scram, gs2, gssapi, sql, ldap": {
            "sasl_packages": {
                "": "cyrus-sasl-lib",
                "plain": "cyrus-sasl-plain",
                "login": "cyrus-sasl-plain",
                "crammd5": "cyrus-sasl-md5",
                "digestmd5": "cyrus-sasl-md5",
                "scram": "cyrus-sasl-scram",
                "gs2": "cyrus-sasl-gs2",
                "gssapiv2": "cyrus-sasl-gssapi",
                "sql": "cyrus-sasl-sql",
                "ldapdb": "cyrus-sasl-ldap",
            },
        },
        "ca-certificates.spec 2025.2.80-7: %pre removes tls/certs/ca-bundle.crt, extracted/pem stays": {
            "ca_bundle": "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        },
        "sendmail.service 8.17.1: PIDFile": {"sendmail_pid": "/run/sendmail.pid"},
        "sendmail.spec 8.18.2: install SOURCE6; chown root access.db, %files of %{maildir} have no other": {
            "sendmail_source": "/etc/mail/sendmail.mc",
            "sendmail_owner": "root",
        },
        "sendmail.spec 8.18.2: %{spooldir}/mqueue; NEWDB unless rhel >= 10; sendmail.service": {
            "sendmail_queue": "/var/spool/mqueue",
            "sendmail_map": "hash",
            "sendmail_enable": "",
        },
        "exim.spec 4.99.5: install src/configure.default, %dir %{_sysconfdir}/exim, no other command": {
            "exim_directory": "/etc/exim",
            "exim_conf": "/etc/exim/exim.conf",
            "exim_style": "hand-written",
            "exim_make": "",
        },
        "exim.spec 4.95: useradd -u 93 -g exim exim; exim.sysconfig": {"exim_user": "exim", "exim_group": ""},
        "exim-4.95-config.patch: PID_FILE_PATH=/var/run/exim.pid, where /var/run is /run": {
            "exim_pid": "/run/exim.pid",
        },
        "exim.spec 4.99.5: %{_var}/spool/exim, install -m 4775 exim %{_sbindir}": {
            "exim_spool": "/var/spool/exim",
            "exim_program": "exim",
            "daemons": "/usr/sbin",
        },
        "postfix.spec 3.11.6: postfix_config_dir, postfix_queue_dir, postfix_user": {
            "postfix_directory": "/etc/postfix",
            "postfix_queue": "/var/spool/postfix",
            "postfix_user": "postfix",
        },
        "postfix.spec 3.11.6: no patch of conf/master.cf": {"postfix_chroot": "n"},
        "postfix.spec 3.11.6: %{sasl_config_dir}/smtpd.conf; Postfix, cyrus_sasl_config_path": {
            "postfix_sasl": "/etc/sasl2",
            "postfix_is_told": "y",
        },
        "postfix.spec 3.11.6: defmap_lmdb without db: releases of their own": {"postfix_map": "hash"},
        "dovecot.spec 2.4.4: %{_sysconfdir}/dovecot, --with-rundir, install -g dovecot": {
            "dovecot_directory": "/etc/dovecot",
            "dovecot_run": "/run/dovecot",
            "dovecot_group": "dovecot",
        },
        "msmtp.spec 1.8.34: %configure, whose sysconfdir is /etc": {"msmtp_conf": "/etc/msmtprc"},
        "opensmtpd.spec 7.8.0p1: --sysconfdir, --with-user-smtpd, sysusers, opensmtpd.service": {
            "opensmtpd_conf": "/etc/opensmtpd/smtpd.conf",
            "opensmtpd_group": "smtpd",
            "opensmtpd_service": "opensmtpd",
            "opensmtpd_restart": (),
        },
        "age.spec, libpq.spec, opensc.spec, softhsm.spec, yubico-piv-tool.spec (libykcs11.so.2)": {
            "packages": {
                "age": "age",
                "libpq": "libpq",
                "opensc": "opensc",
                "softhsm": "softhsm",
                "ykcs11": "yubico-piv-tool",
            },
        },
        "softhsm.spec, opensc.spec, yubico-piv-tool.spec: %files, %{_libdir}": {
            "token_libraries": {
                "softhsm": "/usr/lib64/pkcs11/libsofthsm2.so",
                "opensc": "/usr/lib64/opensc-pkcs11.so",
                "ykcs11": "/usr/lib64/libykcs11.so.2",
            },
        },
        "%systemd_post in all of these": {
            "install": "dnf install",
            "restart": "systemctl restart NAME",
            "reload": "systemctl try-reload-or-restart NAME",
        },
    },
    "alpine": {  # aports
        "cyrus-sasl 2.1.28: --with-dbpath, --with-dblib=gdbm, --with-configdir": {
            "sasldb": "/etc/sasl2/sasldb2",
            "sasldb_format": "gdbm",
            "sasl_search": ("/etc/sasl2",),
        },
        "cyrus-sasl 2.1.28: subpackages; libsasl() moves anonymous, sasldb and plain": {
            "sasl_packages": {
                "": "libsasl",
                "login": "cyrus-sasl-login",
                "crammd5": "cyrus-sasl-crammd5",
                "digestmd5": "cyrus-sasl-digestmd5",
                "scram": "cyrus-sasl-scram",
                "gs2": "cyrus-sasl-gs2",
                "gssapiv2": "cyrus-sasl-gssapiv2",
                "ntlm": "cyrus-sasl-ntlm",
                "sql": "cyrus-sasl-sql",
            },
        },
        "opensmtpd 7.8.0_p0: --with-path-CAfile": {"ca_bundle": "/etc/ssl/certs/ca-certificates.crt"},
        "exim 4.99.5, exim.Makefile: CONFIGURE_FILE, EXIM_USER=ref:exim, PID_FILE_PATH, SPOOL_DIRECTORY": {
            "exim_directory": "/etc/exim",
            "exim_conf": "/etc/exim/exim.conf",
            "exim_style": "hand-written",
            "exim_user": "exim",
            "exim_group": "",
            "exim_pid": "/run/exim.pid",
            "exim_spool": "/var/spool/exim",
        },
        "exim 4.99.5: exim.initd, command and start_pre; BIN_DIRECTORY": {
            "exim_program": "exim",
            "exim_make": "",
            "daemons": "/usr/sbin",
        },
        "postfix 3.11.6: config_directory, pkgusers, -DNO_DB and -DDEF_DB_TYPE; Postfix, queue_directory": {
            "postfix_directory": "/etc/postfix",
            "postfix_queue": "/var/spool/postfix",
            "postfix_user": "postfix",
            "postfix_map": "lmdb",
        },
        "postfix 3.11.6: prepare() leaves the services of conf/master.cf": {"postfix_chroot": "n"},
        "cyrus-sasl 2.1.28: --with-configdir, for Postfix names no directory of its own": {
            "postfix_sasl": "/etc/sasl2",
            "postfix_is_told": "y",
        },
        "dovecot 2.4.4: --sysconfdir, --with-rundir; dovecot.pre-install, addgroup": {
            "dovecot_directory": "/etc/dovecot",
            "dovecot_run": "/run/dovecot",
            "dovecot_group": "dovecot",
        },
        "msmtp 1.8.33: --sysconfdir=/etc": {"msmtp_conf": "/etc/msmtprc"},
        "nullmailer 2.2 of testing: --sysconfdir=/etc; nullmailer.initd, command_user": {
            "nullmailer_directory": "/etc/nullmailer",
            "nullmailer_user": "nullmailer",
        },
        "opensmtpd 7.8.0_p0: --sysconfdir, --with-user-smtpd, /etc/init.d/smtpd": {
            "opensmtpd_conf": "/etc/smtpd/smtpd.conf",
            "opensmtpd_group": "smtpd",
            "opensmtpd_service": "smtpd",
            "opensmtpd_restart": (),
        },
        "age, opensc, softhsm, libpq of postgresql18, py3-*; yubico-piv-tool: $pkgname-libs": {
            "packages": {
                "age": "age",
                "dnspython": "py3-dnspython",
                "libpq": "libpq",
                "opensc": "opensc",
                "psycopg": "py3-psycopg",
                "python-pkcs11": "py3-pkcs11",
                "softhsm": "softhsm",
                "ykcs11": "yubico-piv-tool-libs",
            },
        },
        "softhsm 2.7.0, opensc 0.27.1, yubico-piv-tool 2.7.3: --prefix=/usr": {
            "token_libraries": {
                "softhsm": "/usr/lib/softhsm/libsofthsm2.so",
                "opensc": "/usr/lib/opensc-pkcs11.so",
                "ykcs11": "/usr/lib/libykcs11.so.2",
            },
        },
        "scripts of OpenRC in all of these; rc-service(8)": {
            "install": "apk add",
            "restart": "rc-service NAME restart",
            "reload": "rc-service --ifstarted NAME restart",
        },
    },
    "arch": {  # as the ports archpower (2026) and loongarchlinux (2024) have its packages
        "libsasl 2.1.28: no --with-dbpath, so configure.ac's own; --with-dblib=gdbm, --with-configdir": {
            "sasldb": "/etc/sasldb2",
            "sasldb_format": "gdbm",
            "sasl_search": ("/etc/sasl2", "/etc/sasl", "/usr/lib/sasl2"),
        },
        "libsasl 2.1.28: package() removes gs2, gssapiv2, ldapdb, sql; cyrus-sasl: package_cyrus-sasl-*": {
            "sasl_packages": {
                "": "libsasl",
                "gs2": "cyrus-sasl-gssapi",
                "gssapiv2": "cyrus-sasl-gssapi",
                "ldapdb": "cyrus-sasl-ldap",
                "sql": "cyrus-sasl-sql",
            },
        },
        "opensmtpd 7.5.0p0: --with-path-CAfile": {"ca_bundle": "/etc/ssl/certs/ca-certificates.crt"},
        "exim, exim.Makefile: CONFIGURE_FILE, EXIM_USER=ref:exim, PID_FILE_PATH, SPOOL_DIRECTORY": {
            "exim_conf": "/etc/mail/exim.conf",
            "exim_style": "hand-written",
            "exim_user": "exim",
            "exim_group": "",
            "exim_pid": "/run/exim.pid",
            "exim_spool": "/var/spool/exim",
        },
        "exim: exim.service, ExecStart; BIN_DIRECTORY": {
            "exim_program": "exim",
            "exim_make": "",
            "daemons": "/usr/bin",
        },
        "postfix 3.11.5: postfix-install's config_directory and queue_directory; postfix.sysusers": {
            "postfix_directory": "/etc/postfix",
            "postfix_queue": "/var/spool/postfix",
            "postfix_user": "postfix",
        },
        'postfix 3.11.5: -DNO_DB, -DDEF_DB_TYPE="lmdb"; no patch of conf/master.cf': {
            "postfix_map": "lmdb",
            "postfix_chroot": "n",
        },
        "libsasl 2.1.28: --with-configdir, for Postfix names no directory of its own": {
            "postfix_sasl": "/etc/sasl2",
            "postfix_is_told": "y",
        },
        "dovecot 2.4.3: --sysconfdir=/etc, --with-rundir; dovecot.tmpfiles": {
            "dovecot_directory": "/etc/dovecot",
            "dovecot_run": "/run/dovecot",
            "dovecot_group": "dovecot",
        },
        "msmtp 1.8.26: --sysconfdir=/etc": {"msmtp_conf": "/etc/msmtprc"},
        "nullmailer 2.2: --sysconfdir=/etc; nullmailer.sysusers, nullmailer.tmpfiles": {
            "nullmailer_directory": "/etc/nullmailer",
            "nullmailer_user": "nullmail",
        },
        "opensmtpd 7.5.0p0: --sysconfdir, opensmtpd.sysusers, smtpd.service": {
            "opensmtpd_conf": "/etc/smtpd/smtpd.conf",
            "opensmtpd_group": "smtpd",
            "opensmtpd_service": "smtpd",
            "opensmtpd_restart": (),
        },
        "age, opensc, softhsm, yubico-piv-tool, postgresql: package_postgresql-libs(); python-*": {
            "packages": {
                "age": "age",
                "dnspython": "python-dnspython",
                "libpq": "postgresql-libs",
                "lmdb": "python-lmdb",
                "opensc": "opensc",
                "psycopg": "python-psycopg",
                "softhsm": "softhsm",
                "ykcs11": "yubico-piv-tool",
            },
        },
        "softhsm: --libdir=/usr/lib/pkcs11; opensc, yubico-piv-tool: --prefix=/usr": {
            "token_libraries": {
                "softhsm": "/usr/lib/pkcs11/libsofthsm2.so",
                "opensc": "/usr/lib/opensc-pkcs11.so",
                "ykcs11": "/usr/lib/libykcs11.so",
            },
        },
        "units of systemd in all of these": {
            "install": "pacman -S",
            "restart": "systemctl restart NAME",
            "reload": "systemctl try-reload-or-restart NAME",
        },
    },
    "freebsd": {  # its ports, of years from 2018 to 2026, and src of its source
        "security/cyrus-sasl2 2.1.28: --with-dbpath; --with-dblib by options": {
            "sasldb": "/usr/local/etc/sasldb2",
            "sasldb_format": "",
        },
        "security/cyrus-sasl2 2.1.28: --with-configdir": {
            "sasl_directory": "/usr/local/lib/sasl2",
            "sasl_search": ("/usr/local/lib/sasl2", "/usr/local/etc/sasl2"),
            "postfix_sasl": "/usr/local/lib/sasl2",
        },
        "security/cyrus-sasl2-gssapi, -ldapdb, -sql: PKGNAMESUFFIX": {
            "sasl_packages": {
                "": "cyrus-sasl",
                "gssapiv2": "cyrus-sasl-gssapi",
                "sql": "cyrus-sasl-sql",
                "ldapdb": "cyrus-sasl-ldapdb",
            },
        },
        "mail/opensmtpd: CA_BUNDLE_DESC": {"ca_bundle": "/etc/ssl/cert.pem"},
        "src, libexec/rc/rc.d/sendmail: pidfile, rcvar; libexec/rc/rc.conf: rc_conf_files": {
            "sendmail_pid": "/var/run/sendmail.pid",
            "sendmail_enable": "sysrc sendmail_enable=YES",
            "rc_conf": "/etc/rc.conf",
        },
        "src, etc/mail/Makefile: SENDMAIL_MC, .mc.cf, install-cf; SENDMAIL_MAP_TYPE": {
            "sendmail_source": "/etc/mail/HOST.mc",
            "sendmail_build": "rm -f /etc/mail/HOST.cf && make -C /etc/mail HOST.cf",
            "sendmail_built": "/etc/mail/HOST.cf",
            "sendmail_install": "make -C /etc/mail install-cf",
            "sendmail_map": "hash",
        },
        "src, etc/mail/Makefile: maps have the owner of who makes them; etc/mtree/BSD.var.dist: mqueue": {
            "sendmail_owner": "root",
            "sendmail_queue": "/var/spool/mqueue",
        },
        "mail/exim: CONFIG_FILE_PATH, EXIM_USER, EXIM_GROUP": {
            "exim_conf": "/usr/local/etc/exim/configure",
            "exim_user": "mailnull",
            "exim_group": "mail",
        },
        "mail/exim 4.99 of 2026, patch-src__EDITME: PID_FILE_PATH; SPOOL_DIRECTORY as it is": {
            "exim_pid": "/var/run/exim.pid",
            "exim_spool": "/var/spool/exim",
        },
        "mail/exim: files/exim.in, required_files, command": {
            "exim_directory": "/usr/local/etc/exim",
            "exim_style": "hand-written",
            "exim_program": "exim",
            "exim_make": "",
            "daemons": "/usr/local/sbin",
        },
        "mail/postfix 3.11.5: ETCDIR, DEF_QUEUE_DIR, DEF_MAIL_OWNER": {
            "postfix_directory": "/usr/local/etc/postfix",
            "postfix_queue": "/var/spool/postfix",
            "postfix_user": "postfix",
        },
        "mail/postfix 3.11.5: REINPLACE leaves conf/master.cf's services; no -DNO_DB, libc has it": {
            "postfix_chroot": "n",
            "postfix_is_told": "y",
            "postfix_map": "hash",
        },
        "mail/dovecot 2.3.1: ${PREFIX}/etc/dovecot, --localstatedir=/var, GROUPS": {
            "dovecot_directory": "/usr/local/etc/dovecot",
            "dovecot_run": "/var/run/dovecot",
            "dovecot_group": "dovecot",
        },
        "mail/msmtp 1.8.13: GNU_CONFIGURE, whose sysconfdir is below PREFIX": {
            "msmtp_conf": "/usr/local/etc/msmtprc",
        },
        "mail/nullmailer 1.13: GNU_CONFIGURE, USERS": {
            "nullmailer_directory": "/usr/local/etc/nullmailer",
            "nullmailer_user": "nullmail",
        },
        "mail/opensmtpd: --sysconfdir, GROUPS, USE_RC_SUBR": {
            "opensmtpd_conf": "/usr/local/etc/mail/smtpd.conf",
            "opensmtpd_group": "_smtpd",
            "opensmtpd_service": "smtpd",
            "opensmtpd_restart": (),
        },
        "security/age, opensc, softhsm2 (PKGNAMESUFFIX), yubico-piv-tool; libpq's package has a version": {
            "packages": {
                "age": "age",
                "opensc": "opensc",
                "softhsm": "softhsm2",
                "ykcs11": "yubico-piv-tool",
            },
        },
        "security/softhsm2, opensc: pkg-plist; yubico-piv-tool: PLIST_FILES": {
            "token_libraries": {
                "softhsm": "/usr/local/lib/softhsm/libsofthsm2.so",
                "opensc": "/usr/local/lib/opensc-pkcs11.so",
                "ykcs11": "/usr/local/lib/libykcs11.so",
            },
        },
        "USE_RC_SUBR in all of these; service(8), pkg(8)": {
            "install": "pkg install",
            "restart": "service NAME restart",
            "reload": "service NAME restart",
        },
    },
}

_NO_SENDMAIL = "has no package of Sendmail; who builds it has what its authors say"
_OWN = "ours: the file of its authors, made beside the old one; cf/README"
UNSPECIFIED = {
    ("rhel", "sendmail_b"): _OWN,
    ("rhel", "sendmail_install"): _OWN,
    ("rhel", "nullmailer_"): "has no package of nullmailer; who builds it has what its authors say",
    ("alpine", "sendmail_"): _NO_SENDMAIL,
    ("arch", "sendmail_"): _NO_SENDMAIL,
    ("arch", "exim_directory"): "in no package; there our files are put, and made is what is not there",
    ("", "saslauthd_"): "of Debian alone; of the socket of others nothing is said",
    ("", "sasl_directory"): "ours: one of sasl_search, in which configuration belongs",
    ("", "rc_conf"): "of FreeBSD alone",
    ("", "join"): "a command of the base system: passwd and shadow, busybox, pw(8)",
    ("", "exim_answers"): "of Debian alone",
    ("", "exim_defaults"): "of Debian alone",
    ("", "exim_generated"): "of Debian alone",
    ("", "syslog"): "_PATH_LOG of the C library's syslog.h, which no package sets",
    ("", "name"): "ours",
    ("", "ids"): "of the files in tests/systems",
}
"""System, or all, and beginning of fields; and why no specification has them."""
