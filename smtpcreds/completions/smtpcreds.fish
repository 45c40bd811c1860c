# fish completion for smtpcreds

function __smtpcreds_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc) $current
    test -n "$current"; or set words (commandline -opc) ""
    set -lx _SMTPCREDS_COMPLETE fish
    set -lx _SMTPCREDS_LINE (string join \x1f -- $words)
    for line in (command $words[1] 2>/dev/null </dev/null)
        set -l part (string split \t -- $line)
        switch $part[1]
            case word open
                printf '%s\t%s\n' $part[2] $part[3]
            case file
                for name in (__fish_complete_path (string sub -s (math 1 + (string length -- $part[2])) -- $current))
                    echo $part[2]$name
                end
            case dir
                for name in (__fish_complete_directories (string sub -s (math 1 + (string length -- $part[2])) -- $current) '')
                    echo $part[2]$name
                end
        end
    end
end

complete -c smtpcreds -f -a '(__smtpcreds_complete)'
