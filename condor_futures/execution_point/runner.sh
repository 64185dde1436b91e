#!/bin/sh
# The first lines of a job's executable: $1 is the key of its bundle, $2 the archive of its environment, if it has one.
: >> "$1.outcomes"

unpack() {
    rm -rf "$place" && mkdir "$place" || return
    archive=$PWD/$name
    [ -e "$archive" ] || archive=@environments@/$name
    case $name in
        *.sh) bash "$archive" -q -o "$place" || return ;;
        *) tar -xof "$archive" -C "$place" || return ;;
    esac
    if [ -e "$place/environment.tar" ]; then # of pixi-pack; its program installs what it contains
        "$place/pixi-unpack" -q -o "$place" "$place/environment.tar" || return
        rm "$place/environment.tar"
    fi
    if ! find_python; then
        echo "it has no Python${link:+: $link does not exist here}"
        return 1
    fi
    if ! said=$("$python" -c "" 2>&1); then
        printf %s "$said" | tr -cd '[:print:]\n' | tail -n 2 # a shell takes a program for another processor for a script
        echo " (its Python does not run on this machine, $(uname -m))"
        return 1
    fi
    if [ -e "$root/bin/conda-unpack" ]; then
        export PATH="$root/bin:$PATH" # the environment of a job has no PATH
        read -r first < "$root/bin/conda-unpack"
        case $first in
            *python*) "$python" "$root/bin/conda-unpack" ;;
            *) chmod +x "$root/bin/conda-unpack" && "$root/bin/conda-unpack" ;;
        esac
    fi
}

find_python() {
    for root in "$place" "$place"/*; do
        for python in "$root/bin/python3" "$root/bin/python"; do
            [ ! -x "$python" ] || return 0
            [ ! -L "$python" ] || link=$(readlink -m "$python" 2> /dev/null)
        done
    done
    return 1
}

if [ -n "$2" ]; then
    unset PYTHONHOME
    name=$2 place=${_CONDOR_SCRATCH_DIR:-$PWD}/.condor_futures_environment
    if why=$(unpack 2>&1) && find_python; then
        export PATH="$root/bin:$PATH"
        if [ -d "$root/conda-meta" ]; then
            export CONDA_PREFIX="$root"
        else
            export VIRTUAL_ENV="$root"
        fi
        if [ -d "$root/etc/conda/activate.d" ] && command -v bash > /dev/null 2>&1; then
            # Packages set variables there, such as PROJ_DATA, in the language of bash.
            exec bash -c 'for script in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do
                [ ! -r "$script" ] || . "$script"
            done >&2
            exec "$@"' bash "$python" -c '@boot@' "$0" "$1"
        fi
        exec "$python" -c '@boot@' "$0" "$1"
    fi
    rm -rf "$place"
    # Any Python can report this for each call.
    export CONDOR_FUTURES_REFUSED="$(printf %s "$why" | tail -c 1000)"
    echo "the environment $name cannot be used: $CONDOR_FUTURES_REFUSED" >&2
fi
for python in @pythons@; do
    command -v "$python" > /dev/null 2>&1 && exec "$python" -c '@boot@' "$0" "$1"
done
echo "no Python on this execution point: tried" @pythons@ >&2
exit 127
