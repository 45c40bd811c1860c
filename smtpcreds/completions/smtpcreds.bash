# bash completion for smtpcreds

_smtpcreds() {
    local kind value help
    COMPREPLY=()
    while IFS=$'\t' read -r kind value help; do
        case $kind in
            word) COMPREPLY+=("$value") ;;
            open) COMPREPLY+=("$value"); compopt -o nospace ;;
            file) compopt -o default -o filenames ;;
            dir) compopt -o dirnames -o filenames ;;
        esac
    done < <(_SMTPCREDS_COMPLETE=bash _SMTPCREDS_LINE="${COMP_LINE:0:COMP_POINT}" \
        _SMTPCREDS_BREAKS=$COMP_WORDBREAKS "$1" 2>/dev/null </dev/null)
}

complete -F _smtpcreds smtpcreds
