#!/bin/sh
# Fetches this host's bundle from its hub over ssh, and puts it in place if it is right and the mail program
# goes on with it. Silent when nothing changed. Status: 0 done, 65 a wrong bundle, 69 no hub, or a program is missing,
# 70 undone, 73 no room, 75 busy, 77 refused by the hub. Settings: pull.conf, and what differs here: pull.local.
set -u
umask 077
export LC_ALL=C
# shellcheck source=/dev/null
. "${PULL_CONF:=/etc/smtpcreds/pull.conf}"
# shellcheck source=/dev/null
[ ! -f "${PULL_CONF%.conf}.local" ] || . "${PULL_CONF%.conf}.local"
: "${STATE:=/var/lib/smtpcreds-pull}" "${TRIES:=3}" "${PAUSE:=60}" "${KEYFILE:=/etc/smtpcreds/pull-key}"
: "${KNOWN_HOSTS:=/etc/smtpcreds/known_hosts}"
new=$STATE/new.tar tree=$STATE/tree current=$STATE/current.tar former=$STATE/former.tar try=1 have=none
say() { logger -t smtpcreds-pull -p "daemon.$1" -- "$HOST: $2"; }
fail() { say err "$2"; echo "smtpcreds-pull: $HOST: $2" >&2; exit "$1"; }
digest() { openssl dgst -sha256 -r | cut -d' ' -f1; }
label() { dd if="$1" bs=512 skip=1 count=1 2>/dev/null | sed -n "s/.* comment=smtpcreds bundle.* $2=\([^ ]*\).*/\1/p"; }
put_back() {  # what was there before is whole in former.tar, as long as that has its name
    while read -r path; do rm -f "/$path"; done < "$STATE/added"
    tar -xpf "$former" -C / 2> "$STATE/said" || fail 73 "${1}can't be put back: $(tail -n 1 "$STATE/said")"
    sh -c "$RUN" >/dev/null 2>&1; rm -f "$former"; }
no_room() { while read -r path; do rm -f "/$path.pulled"; done < "$STATE/changed"; fail 73 "no room $1"; }
fetch() {
    [ ! -f "$current" ] || have=$(digest < "$current")
    while :; do
        echo "have $have" | ssh -T -i "$KEYFILE" -p "$PORT" -o BatchMode=yes -o IdentitiesOnly=yes \
            -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=/dev/null \
            -o ConnectTimeout=30 -o ServerAliveInterval=30 "$HUB" bundle > "$new" 2> "$STATE/said"
        status=$?
        if [ "$status" != 255 ] || [ "$try" -ge "$TRIES" ]; then break; fi
        sleep $((PAUSE * try)); try=$((try + 1)); done
    case $status in
        0) ;; 255) fail 69 "the hub $HUB does not answer: $(tail -n 1 "$STATE/said")" ;;
        *) fail 77 "the hub refuses: $(sed -n 's/^smtpcreds: //p' "$STATE/said" | head -n 1) (status $status)" ;;
    esac
}
verify() {
    [ "$(label "$new" sha256)" = "$(dd if="$new" bs=512 skip=2 2>/dev/null | digest)" ] ||
        fail 65 "the bundle was cut or changed on its way, or the disk is full"
    whose="$(label "$new" host) with $(label "$new" program)"
    [ "$whose" = "$HOST with $PROGRAM" ] || fail 65 "the bundle is for $whose"
    [ ! -f "$current" ] || [ "$(label "$new" made)" -ge "$(label "$current" made)" ] ||
        fail 65 "the bundle is older than what is here; if the clock of the hub was ahead: rm $current"
    tar -tf "$new" | grep -Evx "(${CERTIFICATES#/}/([0-9a-f]{8}\.r?[0-9]+|(crl(-[0-9a-f]{8})?|all-crls)\.pem)?|$FILES)" \
        > "$STATE/odd" && fail 65 "the bundle has $(head -n 1 "$STATE/odd"), which is no file of $PROGRAM"
    tar -tvf "$new" | grep -v '^[-dl]' >/dev/null && fail 65 "the bundle has a member that no bundle has"
    tar -tvf "$new" | grep '^l' | grep -Ev -- ' -> [a-z0-9-]+\.pem$' >/dev/null && fail 65 "the bundle has an odd link"
    { rm -rf "$tree" && mkdir "$tree" && tar -xpf "$new" -C "$tree"; } || fail 73 "there is no room in $STATE"
    openssl verify -CAfile "$CERTIFICATES/cacert.pem" -no-CApath -untrusted "$tree$CERTIFICATE" -purpose sslclient \
        -verify_hostname "$HOST" "$tree$CERTIFICATE" > "$STATE/said" 2>&1 ||
        fail 65 "the certificate is not good here: $(grep '^error' "$STATE/said" | head -n 1)"
    [ "$(openssl x509 -in "$tree$CERTIFICATE" -noout -pubkey)" = "$(openssl pkey -in "$tree$KEY" -pubout 2>/dev/null)" ] ||
        fail 65 "key and certificate do not fit"
}
install() {
    : > "$STATE/added"; : > "$STATE/kept"; : > "$STATE/changed"
    tar -tf "$new" | while read -r path; do
        path=${path%/}
        if [ -d "$tree/$path" ] && [ ! -L "$tree/$path" ]; then
            [ -d "/$path" ] || mkdir -p "/$path"; continue
        elif [ -L "$tree/$path" ]; then
            [ "$(readlink "$tree/$path")" != "$(readlink "/$path")" ] || continue
        else
            cmp -s "$tree/$path" "/$path" && continue
        fi
        echo "$path" >> "$STATE/changed" || exit 1
        rm -f "/$path.pulled"; cp -pRP "$tree/$path" "/$path.pulled" || exit 1
        list=added; if [ -e "/$path" ] || [ -L "/$path" ]; then list=kept; fi
        echo "$path" >> "$STATE/$list" || exit 1
    done || no_room "for the new files"
    [ -s "$STATE/changed" ] || { mv -f "$new" "$current"; return 0; }
    # shellcheck disable=SC2046  # no path has a blank; that of ours is there because some tar makes no empty archive
    { tar -cpf "$former.part" -C / "${STATE#/}/added" $(cat "$STATE/kept") && mv -f "$former.part" "$former"; } || no_room "in $STATE"
    sync
    while read -r path; do mv -f "/$path.pulled" "/$path" || break; done < "$STATE/changed"
    if sh -c "$RUN" > "$STATE/said" 2>&1 && sh -ec "$CHECK" >> "$STATE/said" 2>&1 </dev/null; then
        rm -f "$former"; mv -f "$new" "$current"; sync  # in this order: what is put back is asked for again
        end=$(openssl x509 -in "$CERTIFICATE" -noout -enddate | cut -d= -f2)
        say notice "took a new bundle from $HUB: $(grep -c . "$STATE/changed") files, certificate to $end"
        return 0
    fi
    why="$PROGRAM does not go on with the new files" said=$(tail -n 1 "$STATE/said")
    put_back "$why: $said; the former "
    fail 70 "$why, and the former are back: $said"
}
for tool in ssh openssl tar; do command -v $tool >/dev/null || fail 69 "$tool is not installed"; done
mkdir -p "$STATE" || exit 73
[ "${1-}" != --timer ] || sleep $(($(od -An -N2 -tu2 /dev/urandom) % 3600))
if ! (set -C; echo $$ > "$STATE/lock") 2>/dev/null; then
    owner=$(cat "$STATE/lock") args=$({ cat "/proc/$owner/cmdline" || ps -p "$owner" -o args=; } 2>/dev/null | tr '\0' ' ')
    case $args in *pull.sh*) exit 75 ;; esac
    echo $$ > "$STATE/lock"  # its owner was killed, and its number may be another's by now
fi
trap 'rm -rf "$STATE/lock" "$tree" "$new"' EXIT
[ ! -f "$former" ] || { put_back "the files of before a killed run "; say notice "an interrupted run was undone"; }
for _ in 1 2 3; do fetch
    [ "$(dd if="$new" bs=16 count=1 2>/dev/null | tr -d '\0')" != current ] || exit 0
    verify; install
done
