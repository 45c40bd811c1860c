#compdef smtpcreds

_smtpcreds() {
    local kind value help names='' kept=''
    local -a found labels endless
    while IFS=$'\t' read -r kind value help; do
        case $kind in
            word) found+=("$value"); labels+=("$value${help:+ -- $help}") ;;
            open) endless+=("$value") ;;
            file|dir) names=$kind; kept=$value ;;
        esac
    done < <(_SMTPCREDS_COMPLETE=zsh _SMTPCREDS_LINE="${(pj:\x1f:)${(@Q)words[1,CURRENT]}}" \
        $words[1] 2>/dev/null </dev/null)
    (( $#found )) && compadd -l -d labels -- $found
    (( $#endless )) && compadd -S '' -- $endless
    if [[ -n $names ]]; then
        compset -p $#kept
        [[ $names == dir ]] && _files -/ || _files
    fi
}

if [[ $funcstack[1] == _smtpcreds ]]; then
    _smtpcreds "$@"
else
    compdef _smtpcreds smtpcreds
fi
