# For demo and check: . scripts/setup.sh; then install_missing PACKAGE..., set_up_build TESTS(enabled|disabled).
# Debian and Ubuntu: what is missing is installed with apt-get. Elsewhere: says what would be installed, if anything is missing.

BUILD_PACKAGES="gcc libc6-dev meson ninja-build pkg-config python3 libopenblas-dev liblapacke-dev libcjson-dev zlib1g-dev
    libssl-dev libpcre2-dev libutf8proc-dev libpopt-dev libyaml-dev libpng-dev"
TEST_PACKAGES="check man-db groff-base file procps"

say() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

stop() {
    say "$*"
    exit 3
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        stop "not root and no sudo; run as root: $*"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c2)" = i ]
}

install_with_apt() {
    missing=
    for package; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    log=$(mktemp)
    # shellcheck disable=SC2086
    if ! { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        stop "apt-get could not install$missing"
    fi
    rm -f "$log"
}

advise() {
    cat >&2 <<'END'
    Fedora:  sudo dnf install gcc meson ninja-build pkgconf-pkg-config openblas-devel lapack-devel cjson-devel zlib-devel \
                 openssl-devel pcre2-devel utf8proc-devel popt-devel libyaml-devel libpng-devel check-devel man-db
    Arch:    sudo pacman -S gcc meson ninja pkgconf openblas lapacke cjson zlib openssl pcre2 libutf8proc popt libyaml libpng check man-db
    macOS:   brew install meson ninja pkgconf openblas lapack cjson openssl@3 pcre2 utf8proc popt libyaml libpng check    (untested)
END
}

install_missing() {
    if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
        install_with_apt "$@"
        return
    fi
    missing=
    for program in meson pkg-config cc; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    if command -v pkg-config >/dev/null; then
        for library in openblas lapacke libcjson zlib libcrypto libpcre2-8 libutf8proc popt yaml-0.1 libpng; do
            pkg-config --exists "$library" || missing="$missing $library"
        done
    fi
    [ -n "$missing" ] || return 0
    say "missing:$missing. Not a Debian, so nothing was installed. What to install:"
    advise
    exit 3
}

# Configures build/, or changes what is configured there.
set_up_build() {
    if [ -f build/build.ninja ]; then
        meson configure build "-Dtests=$1" >/dev/null || exit 3
    else
        log=$(mktemp)
        meson setup build "-Dtests=$1" >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; exit 3; }
        rm -f "$log"
    fi
}

build() {
    log=$(mktemp)
    say "building"
    ninja -C build "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; rm -f "$log"; stop "the build failed"; }
    rm -f "$log"
}
