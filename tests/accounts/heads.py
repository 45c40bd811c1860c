"""Beginnings of files that administrators have, and what an import makes of each.

The files of mail panels have the columns of these panels' tables and exports; they were written by hand, and
no panel was run.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

JOE, ANN = "j0e's secret", "ann;s, sec:ret 2"
BCRYPT = "$2y$05$abcdefghijklmnopqrstuuVwXyZ0123456789abcdefghijklmnop"[:60]
SHA512 = "$6$rounds=5000$saltsalt$" + "a" * 86
INSERT = "INSERT INTO mailbox VALUES ('joe@ex.org','S3cret-1');\n"
HASH = "its secret is a hash"
ASKED = "line 1 may name the columns or be an account"
LEXICON = "name and secret are what columns are called"


class Head(NamedTuple):
    """A file, and what becomes of it.

    Attributes:
        text: of the file; octets where it is not UTF-8.
        accounts: secret by account, where the relay's own realm is left out; empty where it is refused.
        refused: part of the reason.
        form: part of what the import says that it took the file for.
        words: options, without which it would be refused.
    """

    text: str | bytes
    accounts: Mapping[str, str] = MappingProxyType({})
    refused: str = ""
    form: str = ""
    words: tuple[str, ...] = ()


def csv(header: str, mark: str = ",") -> Head:
    """Return a table of user and password under this header."""
    return Head(f"{header}\njoe{mark}{JOE}\n", {"joe": JOE}, form="line 1 is the header: user from")


BOTH = {"joe": JOE, "ann": ANN}

HEADERS = {
    "English": csv("username,password"),
    "capitals": csv("USERNAME,PASSWORD"),
    "as in a letter": csv("User Name,Password"),
    "underscores": csv("user_name,pass_word"),
    "camel": csv("userName,passWord"),
    "Login,Passwd": csv("Login,Passwd"),
    "account,secret": csv("account,secret"),
    "sasl": csv("authcid,userPassword"),
    "e-mail": csv("E-Mail,Password"),
    "email": csv("email,pass"),
    "name": csv("name,password"),
    "address": csv("address,password"),
    "quoted": csv('"Username","Password"'),
    "in brackets": csv("Email Address [Required],Password [Required]"),
    "spaces": csv(" Username , Password "),
    "a comment": csv("#username,password"),
    "byte order mark": csv("\ufeffusername,password"),
    "German": csv("Benutzername;Kennwort", ";"),
    "German, of Outlook": csv("E-Mail-Adresse;Passwort", ";"),
    "French": csv("Nom d'utilisateur;Mot de passe", ";"),
    "Spanish": csv("Nombre de usuario,Contraseña"),
    "Portuguese": csv("Usuário;Senha", ";"),
    "Italian": csv("Nome utente,Parola chiave"),
    "Dutch": csv("Gebruikersnaam;Wachtwoord", ";"),
    "Swedish": csv("Användarnamn;Lösenord", ";"),
    "Norwegian": csv("Brukernavn;Passord", ";"),
    "Danish": csv("Brugernavn;Adgangskode", ";"),
    "Finnish": csv("Käyttäjätunnus;Salasana", ";"),
    "Polish": csv("Nazwa użytkownika;Hasło", ";"),
    "Czech": csv("Uživatelské jméno;Heslo", ";"),
    "Hungarian": csv("Felhasználónév;Jelszó", ";"),
    "Romanian": csv("Utilizator,Parolă"),
    "Turkish": csv("Kullan\u0131c\u0131 Ad\u0131;Şifre", ";"),
    "Greek": csv("Όνομα χρήστη;Κωδικός", ";"),
    "Russian": csv("Имя пользователя;Пароль", ";"),
    "Ukrainian": csv("Користувач;Пароль", ";"),
    "Chinese": csv("用户名,密码"),
    "Japanese": csv("ユーザー名,パスワード"),
    "Korean": csv("사용자 이름,비밀번호"),
    "Arabic": csv("اسم المستخدم,كلمة المرور"),
    "Hebrew": csv("שם משתמש,סיסמה"),
    "tabs": csv("Username\tPassword", "\t"),
    "colons": csv("user:password", ":"),
    "swapped": Head(f"password,user\n{JOE},joe\n", {"joe": JOE}, form='user from "user"'),
    "with a realm": Head(
        f"Username,Password,Domain\njoe,{JOE},ex.org\n", {"joe@ex.org": JOE}, form='realm from "Domain"'
    ),
    "no language of ours": Head("gwryn,gwrdan\njoe,S3cret-1\n", refused=ASKED),
    "the same, named": Head(
        f"gwryn,gwrdan\njoe,{JOE}\n", {"joe": JOE}, words=("--header", "--columns", "user,password")
    ),
    "numbered": Head("Column1,Column2\njoe,S3cret-1\n", refused=ASKED),
    "half a header": Head("joe,password\nann,S3cret-2\n", refused=ASKED),
    "two of a kind": Head("user,login,password\njoe,joe,S3cret-1\n", refused="2 columns for the user"),
    "no secrets": Head("username,quota,active\njoe,100,1\n", refused="no column for secrets"),
    "in the middle": Head("joe,S3cret-1\nusername,password\nann,S3cret-2\n", refused=LEXICON),
}

RECORDS = {
    "no header": Head("joe,j0e-secret\nann,4nn-secret\n", {"joe": "j0e-secret", "ann": "4nn-secret"}),
    "addresses": Head("joe@ex.org,sec-r3tly\n", {"joe@ex.org": "sec-r3tly"}, form="no header"),
    "addresses and words": Head("joe@ex.org,secretly\n", refused=ASKED),
    "words alone": Head("joe,secretly\n", refused=ASKED),
    "the same, said": Head("joe,secretly\n", {"joe": "secretly"}, words=("--no-header",)),
    "user0,secret-0": Head("user0,secret-0\nuser1,secret-1\n", refused=ASKED),
    "the wrong way round": Head("S3cret!,joe@ex.org\n", refused=ASKED),
    "user:secret": Head(
        f"joe:{JOE}\n# others\nann:4nn's\n", {"joe": JOE, "ann": "4nn's"}, form="user:password"
    ),
    "user:secret with colons": Head(f"joe:{JOE}\nann:{ANN}\n", BOTH, words=("--as", "colon")),
    "semicolons": Head(f'joe;{JOE}\nann;"{ANN}"\n', BOTH, form="semicolons, no header"),
    "tabs": Head(f"joe\t{JOE}\n", {"joe": JOE}, form="tabs, no header"),
    "Excel says sep": Head(
        f"sep=;\nBenutzer;Passwort\njoe;{JOE}\n", {"joe": JOE}, form="line 2 is the header"
    ),
    "PowerShell says type": Head(
        f'#TYPE Selected.User\r\n"SamAccountName","Password"\r\n"joe","{JOE}"\r\n', {"joe": JOE}
    ),
    "UTF-16 of PowerShell": Head(
        f"UserName,Password\r\njoe,{JOE}\r\n".encode("utf-16"), {"joe": JOE}, form="UTF-16"
    ),
    "UTF-16, big-endian, no mark": Head(f"User;Passwort\njoe;{JOE}\n".encode("utf-16-be"), {"joe": JOE}),
    "a realm that is not there": Head("joe,S3cret.of.joe,\n", {"joe": "S3cret.of.joe"}, form="no header"),
    "a realm": Head("joe,j0e-secret,ex.org\n", {"joe@ex.org": "j0e-secret"}, form="no header"),
    "the realm in between": Head("joe,ex.org,S3.cret\n", refused=ASKED),
    "ids": Head("1,joe,S3cret-1\n", refused=ASKED),
    "display names": Head("name,password\nJoe Smith,S3cret-1\n", refused="does not look like an account's"),
    "an option": Head("-joe,S3cret-1\n", refused=ASKED),
    "an option under a header": Head("user,password\n-joe,S3cret-1\n", refused="take it for an option"),
}

ODD = "does not look like an account's"
BLANK = "its secret begins with a blank"
LONG = "j0e-secret"

ODDITIES = {
    "byte order mark, authinfo": Head(
        f'\ufeffAuthInfo:hub "U:joe" "P:{LONG}"\n', {"joe": LONG}, form="authinfo"
    ),
    "byte order mark, default-auth-info": Head(
        f"\ufeffjoe\njoe\n{LONG}\nhub.ex.org\n", {"joe@hub.ex.org": LONG}
    ),
    "capitals of Turkish": csv("KULLANICI ADI;ŞİFRE", ";"),
    "capitals of Russian": csv("ИМЯ ПОЛЬЗОВАТЕЛЯ;ПАРОЛЬ", ";"),
    "a comment first": Head(
        f"# of the relay\n\nuser,password\njoe,{JOE}\n", {"joe": JOE}, form="line 3 is the"
    ),
    "blanks first": Head(f"  \nuser,password\njoe,{JOE}\n", {"joe": JOE}, form="line 2 is the header"),
    "sep in quotes": Head(f'"sep=;"\nuser;password\njoe;{JOE}\n', {"joe": JOE}, form="line 2 is the header"),
    "commented out": Head(
        "user,password\n#joe,S3cret-1\n", refused="begins with #, as comments do (--skip-bad"
    ),
    "two headers": Head("user,password\nBenutzer,Kennwort\njoe,S3cret-1\n", refused=LEXICON),
    "apostrophes": Head("'joe','S3cret-1'\n", refused=ASKED),
    "apostrophes under a header": Head("user,password\n'joe','S3cret-1'\n", refused=ODD),
    "secrets in apostrophes": Head("joe,'S3cret-1'\n", refused="its secret is in quotation marks"),
    "the same, as it is": Head("joe,'j0e-secret'\n", {"joe": "'j0e-secret'"}, words=("--allow-odd-names",)),
    "blank before the quotes": Head('"joe", "S3cret-1"\n', refused=BLANK),
    "name: secret": Head("joe: S3cret-1\nann: S3cret-2\n", refused=BLANK),
    "settings": Head("user=joe;password=S3cret-1\n", refused=ASKED),
    "settings under a header": Head("user,password\nuser=joe,password=S3cret-1\n", refused=ODD),
    "secrets first": Head("S3cret-1,joe\nS3cret-2,ann\n", refused=ASKED),
    "a sample of an address": Head("user@example.org,S3cret!1\njoe@ex.org,S3cret-1\n", refused=ASKED),
    "the next number": Head("gwryn1,gwrdanau2\njoe,S3cret-1\n", refused=ASKED),
    "no language of ours, and marks": Head('gwryn=,"gwrdan <a>, €"\njoe,S3cret-1\n', refused=ASKED),
    "virtusertable": Head("joe@ex.org\tjoe\nann@ex.org\tann.smith\n", refused=ASKED),
    "hosts and ports": Head("hub.ex.org:587\nrelay.ex.org:2525\n", refused=ASKED),
    "URLs": Head("https://hub.ex.org/S3cret\n", refused="a list of URLs"),
    "an access map": Head("Connect:127.0.0.1   RELAY\n", refused="Sendmail's access map"),
    "Exim's passwd.client": Head("hub.ex.org:joe:S3cret-1\n", refused="say which part is what: --as colon"),
    "the same, as is said": Head(
        f"hub.ex.org:joe:{JOE}\n", {"joe": JOE}, words=("--as", "colon", "--columns", "-,user,password")
    ),
    "bars": Head("user | password\njoe | S3cret-1\n", refused="values separated by |"),
    "blanks": Head("joe S3cret-1\nann  S3cret-2\n", refused="values separated by blanks"),
    "an environment": Head("SMTP_USER=joe\nSMTP_PASSWORD=S3cret-1\n", refused="lines of name=value"),
    "names alone": Head("joe\nann\n", refused="a list of names, without secrets"),
    "rows counted": Head("joe,S3cret-1\nann,S3cret-2\n(2 rows)\n", refused="but line 3 has 1 fields, not 2"),
    "many columns": Head("gwryn,gwrdan,a,b\n", refused="--columns user,password,-,-"),
    "LastPass": Head(
        f"url,username,password,totp\nhttps://hub.ex.org,joe,{JOE},\n",
        {"joe": JOE},
        form='user from "username"',
    ),
    "Bitwarden": Head(
        f"folder,name,login_uri,login_username,login_password\n,hub,https://hub,joe,{JOE}\n", {"joe": JOE}
    ),
}

PANELS = {
    "Postfixadmin, table mailbox": Head(
        '"username","password","name","maildir","quota","local_part","domain","active"\n'
        f'"joe@ex.org","{SHA512}","Joe","ex.org/joe/","0","joe","ex.org","1"\n',
        refused=HASH,
    ),
    "Postfixadmin, clear text": Head(
        "username,password,name,maildir,quota,local_part,domain,active\n"
        f"joe@ex.org,{JOE},Joe,ex.org/joe/,0,joe,ex.org,1\n",
        {"joe@ex.org": JOE},
        form='left out: "name", "maildir"',
    ),
    "mailcow, table mailbox": Head(
        "username;password;name;mailbox_path_prefix;quota;local_part;domain;attributes\n"
        f"joe@ex.org;{{BLF-CRYPT}}{BCRYPT};Joe;/v/;0;joe;ex.org;{{}}\n",
        refused=HASH + " (BLF-CRYPT)",
    ),
    "iRedMail, table mailbox": Head(
        "username,password,name,language,storagebasedirectory,quota,domain,active\n"
        "joe@ex.org,{SSHA512}RkJ0aGlzaXNubyByZWFsIGhhc2g=,Joe,en_US,/var/vmail,1024,ex.org,1\n",
        refused=HASH + " (SSHA512)",
    ),
    "ISPConfig, table mail_user": Head(
        '"mailuser_id","server_id","email","login","password","name"\n'
        f'"1","1","joe@ex.org","joe@ex.org","{SHA512}","Joe"\n',
        refused=HASH,
    ),
    "Modoboa, import file": Head(
        f"account;joe@ex.org;{JOE};Joe;Smith;True;SimpleUsers;joe@ex.org;0\n", refused=ASKED
    ),
    "the same, named": Head(
        f"account;joe@ex.org;{JOE};Joe;Smith;True;SimpleUsers;joe@ex.org;0\n",
        {"joe@ex.org": JOE},
        words=("--no-header", "--columns", "-,user,password,-,-,-,-,-,-"),
    ),
    "Plesk, mail_auth_view": Head(
        "+------------+-------+----------+\n| address | flags | password |\n"
        "+------------+-------+----------+\n| joe@ex.org | | S3cret-1 |\n",
        refused="seems to be a table as mysql or a panel prints it",
    ),
    "Plesk, query": Head(
        f"mail_name\tname\tpassword\njoe\tex.org\t{JOE}\n", {"joe": JOE}, form='left out: "name"'
    ),
    "Plesk, named": Head(
        f"mail_name\tname\tpassword\njoe\tex.org\t{JOE}\n",
        {"joe@ex.org": JOE},
        words=("--columns", "user,realm,password"),
    ),
    "a name of something": Head("postbud,name,password\njoe,ex.org,S3cret-1\n", refused=ASKED),
    "cPanel, shadow of a domain": Head(f"joe:{SHA512}:16000::::::\n", refused="seems to be a shadow file"),
    "cPanel, CSV of users": Head(
        f"Email,Password,Quota\njoe@ex.org,{JOE},250\n", {"joe@ex.org": JOE}, form='left out: "Quota"'
    ),
    "Zimbra, csv": Head(f"joe@ex.org,Joe,Smith,{JOE}\n", refused=ASKED),
    "Google Workspace": Head(
        "First Name [Required],Last Name [Required],Email Address [Required],Password [Required],"
        "Password Hash Function [UPLOAD ONLY],Org Unit Path [Required]\n"
        f"Joe,Smith,joe@ex.org,{JOE},,/\n",
        {"joe@ex.org": JOE},
        form='user from "Email Address [Required]", password from "Password [Required]"',
    ),
    "Chrome's passwords": Head(
        f"name,url,username,password,note\nmx,https://mx/,joe,{JOE},\n",
        {"joe": JOE},
        form='user from "username"',
    ),
    "KeePass": Head(
        f'"Account","Login Name","Password","Web Site","Comments"\n"mx","joe","{JOE}","",""\n',
        refused="2 columns for the user",
    ),
}

DUMPS = {
    "mysqldump": Head(
        f"-- MySQL dump 10.13\n{INSERT}",
        refused="seems to be an SQL dump",
    ),
    "an INSERT": Head(INSERT, refused="seems to be an SQL dump"),
    "an INSERT, said to be csv": Head(INSERT, refused=ASKED, words=("--as", "csv")),
    "an INSERT, insisted on": Head(
        INSERT,
        refused="does not look like",
        words=("--as", "csv", "--no-header"),
    ),
    "pg_dump": Head(
        "COPY public.mailbox (username, password) FROM stdin;\njoe@ex.org\tS3cret-1\n\\.\n",
        refused="an SQL dump",
    ),
    "psql": Head(
        " username | password \n----------+----------\n joe | S3cret-1\n", refused="as psql prints it"
    ),
    "mysql -B": Head(f"username\tpassword\njoe@ex.org\t{JOE}\n", {"joe@ex.org": JOE}, form="tabs; line 1"),
    "xlsx": Head(b"PK\x03\x04\x14\0\x06\0", refused="seems to be a spreadsheet"),
    "xls": Head(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", refused="an old spreadsheet"),
    "JSON": Head(
        '[\n {"username": "joe", "password": "S3cret-1"}\n]\n', refused="JSON, but not an object a line"
    ),
    "JSON lines": Head('{"user": "joe", "password": "j0e-secret"}\n', {"joe": "j0e-secret"}, form="JSON"),
    "YAML": Head("users:\n  - name: joe\n    password: S3cret-1\n", refused="seems to be YAML"),
    "XML": Head("<?xml version='1.0'?>\n<users/>\n", refused="XML or HTML"),
    "vCard": Head("BEGIN:VCARD\nFN:Joe\n", refused="a vCard"),
    "htpasswd": Head("joe:$apr1$saltsalt$0123456789012345678901\n", refused="a file of htpasswd"),
    "htdigest": Head("joe:ex.org:0123456789abcdef0123456789abcdef\n", refused="a file of htdigest"),
    "passwd": Head("joe:x:1000:1000:Joe:/home/joe:/bin/sh\n", refused="a passwd file"),
    "sasldblistusers2": Head("joe@ex.org: userPassword\n", refused="the list of sasldblistusers2"),
    "netrc": Head("machine mx.ex.org login joe password S3cret-1\n", refused="a netrc file"),
    "msmtprc": Head(
        "account default\nhost mx.ex.org\nuser joe\npassword S3cret-1\n", refused="configuration of msmtp"
    ),
    "LDIF": Head(
        "version: 1\n\n# joe\ndn: uid=joe,ou=people,dc=ex,dc=org\nuid: joe\nuserPassword:: ajBlJ3Mgc2VjcmV0\n"
        "\ndn: uid=ann,ou=people,dc=ex,dc=org\nmail: ann@ex.org\nuid: ann\n"
        "userPassword: {CLEARTEXT}ann;s, se\n c:ret 2\n",
        BOTH,
        form="LDIF",
    ),
    "LDIF of slapcat": Head(
        "dn: dc=ex,dc=org\ndc: ex\n\ndn: uid=joe,dc=ex,dc=org\nuid: joe\nuserPassword:: e1NTSEF9YWJj\n",
        refused="scheme SSHA, which Cyrus SASL can't serve",
    ),
    "LDIF of a change": Head("dn: uid=joe\nchangetype: modify\n", refused="is a change (modify)"),
    "authinfo": Head(
        '# map\nAuthInfo:mx.ex.org\t"U:joe" "P:j0e\'s secret"\n'
        'AuthInfo: "U=YW5u" "I:ann" "P=YW5uO3MsIHNlYzpyZXQgMg=="\n',
        BOTH,
        form="Sendmail's authinfo map",
    ),
    "authinfo with realms": Head(
        'AuthInfo:[192.0.2.1] "U:root" "I:joe" "P:10%% j0e" "R:ex.org" "M:CRAM-MD5"\n',
        {"joe@ex.org": "10% j0e"},
    ),
    "an access map": Head(
        f'Connect:127 RELAY\nauthinfo:mx "I:joe" "P:{JOE}"\nspam@ex.org REJECT\n', {"joe": JOE}
    ),
    "authinfo without quotes": Head("AuthInfo:mx U:joe P:S3cret-1\n", refused="is not AuthInfo:host"),
    "authinfo with an argument": Head('AuthInfo:mx "U:joe" "P:S3cret%1"\n', refused="is not AuthInfo:host"),
    "the example of Postfix": Head("[mail.isp.example]:587 username:password\n", refused=LEXICON),
    "sasl_passwd": Head(f"[mx.ex.org]:587 joe:{JOE}\n", {"joe": JOE}, form="Postfix's sasl_passwd"),
    "Dovecot": Head(f"joe:{{PLAIN}}{JOE}:1000:1000::/home/joe\n", {"joe": JOE}, form="Dovecot's passwd-file"),
    "Dovecot, hashed": Head(f"joe:{{SHA512-CRYPT}}{SHA512}\n", refused="scheme SHA512-CRYPT"),
}

HEADS = {
    f"{family}: {name}": head
    for family, heads in {
        "header": HEADERS,
        "record": RECORDS,
        "oddity": ODDITIES,
        "panel": PANELS,
        "dump": DUMPS,
    }.items()
    for name, head in heads.items()
}
