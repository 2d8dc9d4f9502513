# SPDX-License-Identifier: PostgreSQL
# bash completion for groupshare

_groupshare_command()
{
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --home | --url | --ca) ((i++)) ;;
        -*) ;;
        *)
            echo "${COMP_WORDS[i]}"
            return
            ;;
        esac
    done
}

_groupshare()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="enroll connect whoami groups search create set join leave dissolve invite remove ban unban promote demote
        inquiries allow refuse cancel put get ls show rm watch help"
    local common="--json --quiet --home --url --ca --help --version" own="" command
    command=$(_groupshare_command)
    COMPREPLY=()
    case $previous in
    --home) mapfile -t COMPREPLY < <(compgen -d -- "$current") && return ;;
    --ca | -o | --output) mapfile -t COMPREPLY < <(compgen -f -- "$current") && return ;;
    --join) mapfile -t COMPREPLY < <(compgen -W "anyone listed confirm" -- "$current") && return ;;
    --listing) mapfile -t COMPREPLY < <(compgen -W "listed exact hidden" -- "$current") && return ;;
    esac
    case $command in
    create) own="--join --list --list-add --list-remove --admin --listing --description --max-members" ;;
    set) own="--name --join --list --list-add --list-remove --admin --listing --description --max-members" ;;
    invite) own="--admin" ;;
    show) own="--all --group" ;;
    groups) own="--group" ;;
    search) own="--prefix --exact --part --all" ;;
    put) own="--as --group --paths --size" ;;
    get) own="--share --output --force --all --group --parallel" ;;
    watch) own="--after --once --exec" ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$own $common" -- "$current")
    elif [[ -z $command || $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
    elif [[ $command == put ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}

complete -F _groupshare groupshare
