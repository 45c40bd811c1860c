"""Names of columns: what tables of accounts call the user, the password and the rest, in many languages.

A name is compared without case, accents, spaces and punctuation: ``E-Mail``, ``e_mail`` and ``EMAIL`` are
one. Add a name by adding it to its line.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from string import digits
from unicodedata import category, normalize

from ..lazy import pattern


class Role(StrEnum):
    """What a column holds."""

    USER = "user"
    EMAIL = "email"
    LOCAL = "local part"
    NAME = "name"
    PASSWORD = "password"  # noqa: S105 - the name of a column
    HASH = "hash"
    REALM = "realm"
    OTHER = "other"


IDENTITIES = (Role.USER, Role.EMAIL, Role.LOCAL, Role.NAME)
"""Roles that name an account, the surest first."""

_NAMES = {
    Role.USER: """
        user username useraccount userlogin usr usrname uname login loginname loginid logon logonname account
        accountname accountid acct acctname authcid authid authuser authusername sasluser smtpuser
        loginusername smtplogin smtpaccount mailname mailuser mailusername maillogin relayuser imapuser
        saslusername smtpusername imaplogin popuser
        ftpuser uid userid samaccountname userprincipalname upn member signin
        benutzer benutzername benutzerkennung benutzerkonto benutzerid kennung anmeldename anmeldung konto
        kontoname nutzer nutzername nutzerkennung zugang zugangsname
        utilisateur nomdutilisateur nomutilisateur identifiant identifiants compte nomdecompte
        usuario nombredeusuario nombreusuario cuenta nombredecuenta usuari nomdusuari compteusuari
        utente nomeutente nomedeusuario nomeusuario conta utilizador nomedeutilizador nomeutilizador
        gebruiker gebruikersnaam inlognaam loginnaam accountnaam
        bruker brukernavn bruger brugernavn anvandare anvandarnamn anvandarid konto kontonamn
        kayttaja kayttajatunnus kayttajanimi tunnus notandi notandanafn
        uzytkownik nazwauzytkownika loginuzytkownika uzivatel uzivatelskejmeno uzivatelskemeno pouzivatel
        prihlasovacijmeno prihlasovaciemeno felhasznalo felhasznalonev utilizator numeutilizator
        numedeutilizator kullanici kullaniciadi hesap korisnik korisnickoime uporabnik uporabniskoime
        vartotojas vartotojovardas lietotajs lietotajvards kasutaja kasutajanimi kasutajatunnus
        tendangnhap taikhoan namapengguna pengguna akun erabiltzailea defnyddiwr
        пользователь имяпользователя логин учетнаязапись учетка користувач імякористувача логін
        потребител потребителскоиме корисник корисничкоиме χρηστης ονομαχρηστη
        用户 用户名 用户名称 帐号 账号 帐户 账户 登录名 使用者 使用者名稱 使用者帳號 帳號 帳戶
        ユーザー ユーザ ユーザー名 ユーザ名 ユーザーid アカウント アカウント名 ログイン
        사용자 사용자이름 사용자명 아이디 계정
        المستخدم اسمالمستخدم משתמש שםמשתמש שםהמשתמש نامکاربری ชื่อผู้ใช้ उपयोगकर्ता उपयोगकर्तानाम
    """,
    Role.EMAIL: """
        email emailaddress emailid emailaccount emailuser mail mailaddress mailaccount address mailbox
        mailboxname mailboxaddress useremail primaryemail primaryemailaddress primaryaddress loginemail
        accountemail fulladdress smtpaddress workemail eaddress
        adresse emailadresse mailadresse mailkonto emailkonto postfach emailpostfach mailpostfach
        courriel adressemail adresseemail adressecourriel adresseelectronique adressedemessagerie
        boiteauxlettres correo correoelectronico direccion direccioncorreo direcciondecorreo
        direcciondecorreoelectronico direccionemail buzon correu correuelectronic
        indirizzo indirizzoemail indirizzomail indirizzodiposta casella caselladiposta casellaemail posta
        endereco enderecoemail enderecodeemail correioeletronico correioeletronico caixapostal caixadecorreio
        emailadres mailadres eadres adres postvak epost epostadresse epostadress epostlada
        sahkoposti sahkopostiosoite adresemail adrespocztowy skrzynka emailova adresa emailovaadresa schranka
        emailcim levelezesicim adresaemail adresadeemail eposta epostaadresi epostaadresa elpastas epasts
        почта электроннаяпочта адрес адресэлектроннойпочты адреспочты ящик почтовыйящик
        пошта електроннапошта адреса имейл διευθυνση ηλεκτρονικηδιευθυνση
        邮箱 邮箱地址 电子邮件 电子邮箱 电子邮件地址 邮件地址 電子郵件 電子郵件地址 信箱
        メール メールアドレス 電子メール 이메일 이메일주소 메일주소 البريدالالكتروني דואל دואר ایمیل อีเมล
    """,
    Role.LOCAL: """
        localpart local lokalteil lokalerteil partielocale partelocal partelocale mailboxlocalpart
    """,
    Role.NAME: """
        name nom nombre nome naam navn namn nimi nazwa imie jmeno meno nev nume isim ad ime vardas vards
        имя фио імя име ονομα 姓名 名称 名字 名前 氏名 이름 الاسم שם نام ชื่อ नाम
    """,
    Role.PASSWORD: """
        password passwd pass passw passwort pwd pw passphrase passcode secret sharedsecret userpassword
        userpass mailpassword mailpass emailpassword emailpass smtppassword smtppass smtpsecret
        accountpassword loginpassword saslpassword authpassword cleartext cleartextpassword clearpassword
        clearpasswd
        plaintext plaintextpassword plainpassword plainpass plainpasswd newpassword initialpassword
        temporarypassword credential credentials token apppassword
        kennwort benutzerpasswort benutzerkennwort mailpasswort mailkennwort emailpasswort initialpasswort
        geheimnis geheim losung losungswort zugangspasswort
        motdepasse mdp motdepass secretpartage contrasena contrasenya clave claveacceso clavesecreta
        senha palavrapasse palavrachave palavrapassesecreta parola parolachiave parolasegreta
        wachtwoord paswoord passord adgangskode kodeord losenord losen salasana tunnussana lykilord
        haslo heslo jelszo sifre sifra lozinka zaporka geslo slaptazodis parole parool salasona
        matkhau katasandi sandi pasahitza cyfrinair
        пароль парола лозинка шифра кодовоеслово κωδικος κωδικοσπροσβασης συνθηματικο
        密码 口令 密碼 登录密码 パスワード 暗証番号 비밀번호 암호 패스워드
        كلمةالمرور كلمةالسر סיסמה סיסמא گذرواژه رمزعبور รหัสผ่าน पासवर्ड
    """,
    Role.HASH: """
        passwordhash passwdhash passhash pwhash hash hashedpassword encryptedpassword encryptedpasswd
        cryptpassword passwordcrypt passwdcrypt cryptedpassword passwordencrypted passwordenc saltedpassword
        salt passworthash kennworthash motdepassehash shadow
    """,
    Role.REALM: """
        realm saslrealm domain domainname maildomain emaildomain domaine nomdedomaine dominio domini domein
        domeinnaam domene domane domanname domaenenname domena domen nazwadomeny domenas doména domeniu
        alanadi verkkotunnus домен доменноеимя τομεας 域名 域 网域 網域 ドメイン
        ドメイン名 도메인 النطاق دامنه
    """,
    Role.OTHER: """
        id no nr num number nummer numero numer index key row line column col field spalte colonne columna
        coluna campo feld kolom sloupec sarake kolumna
        fullname displayname firstname lastname surname givenname familyname middlename nickname realname
        commonname cn sn gecos vorname nachname familienname anzeigename vollstandigername prenom nomcomplet
        nomdefamille apellido apellidos nombrecompleto cognome nomecompleto sobrenome voornaam achternaam
        fornavn etternavn efternamn fornamn etunimi sukunimi nazwisko prijmeni фамилия
        quota maxquota mailquota quotabytes quotamb quotausage usedquota size limit storage messages
        active enabled disabled status state isactive isadmin admin superadmin access suspended locked
        created modified updated createdat updatedat createdate expires expiry expiration lastlogin
        lastlogindate lastlogon passwordmodified passwordexpiry date time datum fecha
        notes note comment comments description beschreibung bemerkung bemerkungen kommentar remark remarks
        role type kind group groups gruppe gruppen roles typ rolle category tags folder favorite
        url website loginuri uri host hostname server smtpserver smtphost port loginurl app
        phone telephone mobile tel telefon telephonenumber title department abteilung company firma
        organisation organization orgunit orgunitpath office language locale timezone country city
        maildir homedir home homedirectory homedir uidnumber gidnumber gid shell path maildirpath storagebase
        storagenode transport destination goto forwardto forward forwarding alias aliases redirect cc
        recoveryemail recoveryphone secondaryemail otheremail alternateemail
        mechanisms properties scheme encryption method source authsource sysuserid sysgroupid serverid
        customer owner domainid mailuserid spamfilter antivirus greylisting autoresponder totp
    """,
}
_LETTERS = str.maketrans(
    {"\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"}
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_ADDRESS = pattern(r"[^\s@,;:\"<>()]+@[^\s@,;:\"<>()]+\.[^\s@,;:\"<>()]+")
_ASIDE = pattern(r"\[[^]]*\]|\([^)]*\)")
"""As in ``Password [Required]`` of Google's template."""
_DIGIT = pattern(r"\d")
_DIGITS = digits.encode()
_LONGEST = 64
"""Characters of a column's name, and more than enough."""
_LONGEST_ADDRESS = 254
"""RFC 5321 section 4.5.3.1.3, without the brackets."""
_WORDS = "_-./()#*:'\u2019\u00b4`?[]&|°"
"""May stand in the name of a column, beside letters and spaces."""
_LIKELY = pattern(r"(?=.*[^\W\d_])[\w+.&~](?:[\w+.='&~/-]*[\w+.&~/-])?", re.DOTALL)
_NUMBERED = pattern(r"\D+(\d{1,9})")


def role_of(name: str) -> Role | None:
    """Return what a column of this name holds; None for a name that is not known, or has a digit."""
    return None if _DIGIT.search(name) else _role_without_digits(name)


def _role_without_digits(name: str) -> Role | None:
    if len(name) > _LONGEST:
        return None
    known = _known()
    text = _ASIDE.sub("", name).casefold()
    plain = _letters(text)
    return known.get(plain) or known.get(_letters(text.translate(_UMLAUTS))) if plain else None


def is_column_name(value: bytes | str) -> bool:
    """Tell whether a value is what some table calls a column; see :func:`role_of`."""
    if isinstance(value, str):
        return role_of(value) is not None
    return value.translate(None, _DIGITS) == value and role_of(value.decode(errors="replace")) is not None


def is_address(text: str) -> bool:
    """Tell whether this can only be an e-mail address."""
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def is_domain(text: str) -> bool:
    """Tell whether this looks like a domain: labels with dots."""
    return re.fullmatch(r"[\w-]+(\.[\w-]+)+", text) is not None


def is_likely_name(text: str) -> bool:
    """Tell whether a name looks like an account's: no spaces or brackets, no ``'joe'`` or ``user=joe``."""
    user, _, _ = text.partition("@")
    if _LIKELY.fullmatch(user) is None:
        return False
    return "=" not in user or not is_column_name(user.partition("=")[0])


def is_wordlike(text: str, digits: str = "") -> bool:
    """Tell whether a cell might name a column in some language: letters, spaces and little else."""
    return all(c in _WORDS or c in digits or c.isspace() or category(c)[0] in "LM" for c in text)


def is_plain_record(cells: Sequence[str]) -> bool:
    """Tell whether cells can only be an account: user, password and perhaps a realm.

    A password without a digit might as well be the name of a column, or the account that gets an address's
    mail, and one of digits the port of a host; ``user1,password1`` and ``user@example.org`` are samples.
    """
    user, secret, *rest = (cell.strip() for cell in cells)
    local, at, _ = user.partition("@")
    if any(map(_role_without_digits, (local, secret))) or not is_likely_name(user) or "=" in user:
        return False
    realm = "".join(rest)
    if is_address(secret) or (realm and (is_domain(secret) or not is_domain(realm))):
        return False
    if secret.isdigit() or (not at and _are_numbered(user, secret)):
        return False
    return _DIGIT.search(secret) is not None or (bool(at) and not is_wordlike(secret))


def _are_numbered(one: str, other: str) -> bool:
    """Tell whether both are words with a number at the end, the same or the next, as columns may have."""
    first, second = _NUMBERED.fullmatch(one), _NUMBERED.fullmatch(other)
    if not (first and second):
        return False
    return is_wordlike(one + other, digits) and int(second[1]) - int(first[1]) in (0, 1)


@cache
def _known() -> dict[str, Role]:
    return {_letters(name.casefold()): role for role, names in _NAMES.items() for name in names.split()}


def _letters(text: str) -> str:
    """Return the letters of a text in lower case, without their accents."""
    decomposed = normalize("NFKD", text.translate(_LETTERS))
    return "".join(c for c in decomposed if category(c)[0] == "L")
