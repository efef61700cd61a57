# What every batch brings along: the POSIX sh functions that perform its operations and speak in frames.
#
# hastore/hosts/script.py puts `token=...` before this text and the operations after it; hastore/hosts/frames.py
# reads what is said. Needed of the shell: printf as a builtin, so that no data stands in an argv. Needed beside
# it: cat, dd, find, mkdir, mktemp, mv, rm, sleep, xargs; setsid where it is there.
# Tests replace get, put and walk to reach a pretended tree.

LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
unset CDPATH
newline='
'
stopped=0 unsure=0 brackets='' alarms=0 writer='' own_group=''

# --- speaking: every line of ours starts with the token; a link that is gone ends the script

say() {
    printf '\n%s %s\n' "$token" "$*" || exit 141
}

begin() { # id, read or change; refuses a change after one that failed, and the body of a bracket left by its watchdog
    if [ "$2" = change ]; then
        [ "$stopped" = 0 ] || return 1
        for bracket in $brackets; do
            [ ! -d "$scratch/left.$bracket" ] || return 1
        done
    fi
    code='' trouble='' input=/dev/null
    say "begin $1"
}

finish() { # id, read or change, status
    say "end $1 $3 ${code:--} ${trouble:--}"
    [ "$2" = change ] || return 0
    case $3 in
    done) ;;
    unknown) stopped=1 unsure=1 ;;
    *) stopped=1 ;;
    esac
}

show_errors() {
    if [ -s "$scratch/err" ]; then
        say err
        cat "$scratch/err"
    fi
}

show_output() {
    [ ! -s "$scratch/out" ] || cat "$scratch/out"
    show_errors
}

# --- time

nap() {
    sleep "$1" 2>/dev/null || sleep 1
}

# No traps here: a signal that comes just before `wait` is slept through by busybox. What sleeps is left by its pid
# for alarm_off to end; the waiting shell is woken again and again for the same reason.
alarm_in() { # seconds, the pid to end then or none; leaves a mark, and wakes a wait that would last for ever
    alarms=$((alarms + 1))
    mark=$scratch/alarm.$alarms
    (
        sleep "$1" &
        echo "$!" >"$mark.asleep"
        wait "$!"
        : >"$mark"
        [ -n "$2" ] || exit
        signal TERM "$2"
        sleep 1
        signal KILL "$2"
        while sleep 1; do
            kill -s USR1 "$$" || exit
        done
    ) </dev/null >/dev/null 2>&1 &
    alarm=$!
}

alarm_off() { # the alarm's pid, its mark
    kill -s KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
    if [ ! -e "$2" ] && read -r asleep 2>/dev/null <"$2.asleep"; then
        kill "$asleep" 2>/dev/null
    fi
}

signal() { # name, pid: the whole group where the program leads one
    kill "-$1" "-$2" 2>/dev/null || kill "-$1" "$2" 2>/dev/null
}

guarded() { # seconds, words: do the words beside this shell, in limited time
    limit=$1
    shift
    ("$@") <"$input" >"$scratch/out" 2>"$scratch/err" &
    program=$!
    alarm_in "$limit" "$program"
    guard_mark=$mark guard_alarm=$alarm
    wait "$program" 2>/dev/null
    code=$?
    if [ -e "$guard_mark" ]; then
        signal KILL "$program"
        code='' trouble=TIMEOUT
    fi
    alarm_off "$guard_alarm" "$guard_mark"
}

# --- programs

feed() { # a printf format: what the next program reads
    if printf "$1" >"$scratch/in"; then
        input=$scratch/in
    else
        trouble=ENOSPC
    fi
}

locate() { # a program's name
    trouble=ENOENT code=127
    case $1 in
    */*)
        [ -e "$1" ] || return 1
        if [ -f "$1" ] && [ -x "$1" ]; then
            trouble='' code=''
        else
            trouble=EACCES code=126
        fi
        ;;
    *)
        rest=$PATH:
        while [ -n "$rest" ]; do
            folder=${rest%%:*}
            rest=${rest#*:}
            if [ -f "${folder:-.}/$1" ] && [ -x "${folder:-.}/$1" ]; then
                trouble='' code=''
                return 0
            fi
        done
        ;;
    esac
    [ -z "$trouble" ]
}

become() { # how many settings, settings, argv
    settings=$1
    shift
    while [ "$settings" -gt 0 ]; do
        export "$1"
        shift
        settings=$((settings - 1))
    done
    [ "$input" = /dev/null ] || rm -f "$input"
    exec $own_group "$@"
}

attempt() { # seconds, program, how many settings, settings, argv
    : >"$scratch/out"
    : >"$scratch/err"
    [ -z "$trouble" ] || return 1
    locate "$2" || return 1
    attempt_limit=$1
    shift 2
    guarded "$attempt_limit" become "$@"
}

run() { # id, read or change, exit codes that are well, then as attempt
    run_id=$1 run_kind=$2 run_ok=$3
    shift 3
    attempt "$@"
    verdict=failed
    case $trouble in
    '') case " $run_ok " in *" $code "*) verdict=done ;; esac ;;
    TIMEOUT) [ "$run_kind" = read ] || verdict=unknown ;;
    esac
    show_output
    finish "$run_id" "$run_kind" "$verdict"
}

# --- files

get() { # path
    cat "$1"
}

read_file() { # id, path
    verdict=done
    get "$2" 2>"$scratch/err" || verdict=failed trouble='?'
    show_errors
    finish "$1" read "$verdict"
}

name_trouble() { # the path that cannot be reached: ls names the errno
    trouble='?'
    ls -dL "$1" 2>"$scratch/err" >/dev/null || :
}

read_tree() { # id, root, what find leaves out
    tree_id=$1 root=$2
    shift 2
    : >"$scratch/err"
    if [ ! -e "$root" ]; then
        name_trouble "$root"
    elif [ ! -d "$root" ]; then
        trouble=ENOTDIR
    elif [ ! -r "$root" ] || [ ! -x "$root" ]; then
        trouble=EACCES
    else
        walk "$root" "$@" 2>"$scratch/err"
        show_errors
        finish "$tree_id" read done
        return
    fi
    show_errors
    finish "$tree_id" read failed
}

# walk says of each entry `kind mode path NUL target NUL`, then the files' contents in the same order, each after
# an edge. One cat reads them all: files and edges take turns in its arguments, and what it says of a file that it
# could not read stands where the content would stand.
walk() { # root, what find leaves out
    printf '\n%s edge\n' "$token" >"$scratch/edge"
    : >"$scratch/list"
    (
        cd "$1" || exit
        shift
        if find . -prune -printf '' 2>/dev/null; then
            find . "$@" \( -type f -printf 'f %m %p\0\0' -fprintf "$scratch/list" "$scratch/edge\\0%p\\0" \
                -o -type l -printf 'l %m %p\0%l\0' \
                -o -type d ! \( -readable -executable \) -printf 'u %m %p\0\0' \
                -o -type d -printf 'd %m %p\0\0' \)
        else
            edge=$scratch/edge list=$scratch/list
            export edge list
            find . "$@" -exec sh -c "$describe" sh {} +
        fi
        say contents
        [ ! -s "$scratch/list" ] || xargs -0 cat <"$scratch/list" 2>&1
    )
}

# The same for a find that has no -printf (busybox): one stat for many entries, one readlink a link.
describe='
    modes=$(stat -c %a "$@" 2>/dev/null) || modes=
    printf "%s\n" "$modes" | for path; do
        read -r mode
        if [ -L "$path" ]; then
            printf "l %s %s\0" "${mode:-0}" "$path"
            readlink -n "$path"
            printf "\0"
        elif [ -f "$path" ]; then
            printf "f %s %s\0\0" "${mode:-0}" "$path"
            printf "%s\0%s\0" "$edge" "$path" >>"$list"
        elif [ -d "$path" ]; then
            if [ -r "$path" ] && [ -x "$path" ]; then kind=d; else kind=u; fi
            printf "%s %s %s\0\0" "$kind" "${mode:-0}" "$path"
        fi
    done'

write_file() { # id, path, mode, backup; the content was fed
    beside=${2%/*}/.hastore.$$.$1
    verdict=failed
    : >"$scratch/err"
    if [ -d "$2" ]; then
        trouble=EISDIR
    elif [ -z "$trouble" ]; then
        if replace "$@" 2>"$scratch/err"; then
            verdict=done
            : >"$scratch/err"
        else
            trouble='?'
            rm -f "$beside"
        fi
    fi
    rm -f "$scratch/in"
    show_errors
    finish "$1" change "$verdict"
}

replace() {
    (umask 077 && dd if="$scratch/in" of="$beside" bs=1048576 conv=fsync) || return 1
    chmod "$3" "$beside" || return 1
    if [ -n "$4" ] && [ -e "$2" ]; then
        cp -p "$2" "$4" || return 1
    fi
    mv -f "$beside" "$2"
}

# Shells' own printf says "I/O error" (dash) or nothing (busybox) for every errno: a tool that names it writes.
choose_writer() {
    [ -z "$writer" ] || return 0
    for writer in with_dd with_cat; do
        case $($writer "$scratch/edge" /dev/full 2>&1) in
        *'No space left on device'*) return 0 ;;
        esac
    done
    writer=with_dd
}

with_dd() {
    dd if="$1" of="$2" bs=1048576 count=1
}

with_cat() {
    cat "$1" >"$2"
}

put() { # a file with the content, path: one write(2)
    $writer "$1" "$2"
}

write_attribute() { # id, path, result path, deadline; the content was fed
    verdict=failed
    : >"$scratch/err"
    printf x >"$scratch/edge"
    choose_writer
    if [ ! -e "$2" ]; then
        name_trouble "$2"
    elif [ -z "$trouble" ]; then
        alarm_in "$4" ''
        whole_mark=$mark whole_alarm=$alarm input=/dev/null
        guarded "$4" put "$scratch/in" "$2"
        judge_write "$3"
        alarm_off "$whole_alarm" "$whole_mark"
    fi
    rm -f "$scratch/in"
    code=''
    show_errors
    finish "$1" change "$verdict"
}

judge_write() { # result path
    case $trouble-$code in
    -0)
        verdict=done
        : >"$scratch/err"
        ;;
    TIMEOUT-*) verdict=unknown ;;
    *)
        trouble='?'
        case $1-$(cat "$scratch/err") in
        -*) ;;
        *'Resource temporarily unavailable'*) await_result "$1" ;;
        esac
        ;;
    esac
}

await_result() { # result path: what SCST says of the work it had queued
    verdict=unknown trouble=TIMEOUT
    until [ -e "$whole_mark" ]; do
        answer=$(get "$1" 2>&1)
        answer=${answer%%"$newline"*}
        case $answer in
        -11 | *'Resource temporarily unavailable') nap 0.1 ;;
        0)
            verdict=done trouble=''
            : >"$scratch/err"
            return
            ;;
        -[1-9]*)
            verdict=failed trouble="#${answer#-}"
            return
            ;;
        *)
            trouble='?'
            printf '%s\n' "$answer" >"$scratch/err"
            return
            ;;
        esac
    done
}

# --- looking before and after

peek() { # path
    : >"$scratch/out"
    : >"$scratch/err"
    if [ -e "$1" ]; then
        get "$1" >"$scratch/out" 2>"$scratch/err" || trouble='?'
    else
        trouble=ENOENT
    fi
}

load_text() {
    text=$(cat "$scratch/out" && printf x)
    text=${text%x}
}

expect() { # id, how to ask, what must hold
    verdict=failed
    $2
    $3 && verdict=done
    show_output
    finish "$1" change "$verdict"
}

await() { # id, how to ask, what must hold, deadline, interval
    verdict=failed
    alarm_in "$4" ''
    whole_mark=$mark whole_alarm=$alarm
    while :; do
        late=0
        [ ! -e "$whole_mark" ] || late=1
        code='' trouble='' input=/dev/null
        $2
        if $3; then
            verdict=done
            break
        fi
        if [ "$late" = 1 ]; then
            trouble=TIMEOUT
            break
        fi
        nap "$5"
    done
    [ "$verdict" = failed ] || trouble=''
    alarm_off "$whole_alarm" "$whole_mark"
    show_output
    finish "$1" change "$verdict"
}

# --- brackets: whoever makes the folder left.ID runs leave, this shell or the watchdog

open_bracket() { # id, deadline
    alarm_in "$2" ''
    # A subshell, because dash keeps a copy of what a function's redirection replaces, and with it the link.
    (watch_bracket "$1" "$mark") </dev/null >/dev/null 2>&1 &
    eval "watchdog_$1=\$! alarm_$1=\$alarm mark_$1=\$mark"
    brackets="$1 $brackets"
}

watch_bracket() { # id, the mark of its deadline
    trap '' HUP
    trap - EXIT
    until [ -e "$2" ] || ! kill -0 "$$"; do
        nap 0.2
    done
    mkdir "$scratch/left.$1" || exit
    whole_scratch=$scratch
    scratch=$scratch/left.$1
    brackets=''
    "leave_$1" >"$scratch/frames"
    kill -0 "$$" || rm -rf "$whole_scratch"
    exit
}

close_bracket() { # id
    brackets=${brackets#"$1 "}
    eval "watchdog=\$watchdog_$1"
    overdue=0
    eval "failed_$1=\$stopped"
    if mkdir "$scratch/left.$1" 2>/dev/null; then
        kill "$watchdog" 2>/dev/null
        "leave_$1"
    else
        overdue=1
        wait "$watchdog" 2>/dev/null
        cat "$scratch/left.$1/frames"
    fi
    eval "alarm_off \"\$alarm_$1\" \"\$mark_$1\""
    code='' trouble='' verdict=done
    if [ "$overdue" = 1 ]; then
        verdict=unknown trouble=TIMEOUT
    elif [ "$unsure" = 1 ]; then
        verdict=unknown
    else
        eval "case \$failed_$1 in *1*) verdict=failed ;; esac"
    fi
    finish "$1" change "$verdict"
}

# --- coming and going

arrive() {
    case $(command -v printf) in
    printf) ;;
    *) refuse 'its sh has no builtin printf' ;;
    esac
    for folder in /dev/shm /run /tmp /var/tmp; do
        scratch=$(mktemp -d "$folder/hastore.XXXXXXXXXX" 2>/dev/null) && break
    done
    [ -n "$scratch" ] || refuse 'there is no folder to write to in /dev/shm, /run, /tmp or /var/tmp'
    trap depart EXIT
    trap 'exit 141' PIPE
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap : USR1
    [ -z "$(command -v setsid)" ] || own_group=setsid
    say ready
}

refuse() { # why
    say "refused $1"
    exit 1
}

depart() {
    trap : PIPE HUP INT TERM
    exec >/dev/null 2>&1
    for bracket in $brackets; do
        close_bracket "$bracket"
    done
    rm -rf "$scratch"
}
