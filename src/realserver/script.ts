/** The same set-up as a POSIX shell script, for hosts without Node.js. Pure. */

import type { IpAddress } from '../model/index.js';
import { assignment, cidr, commandText, doing, type Step, tableText } from '../steps/index.js';
import { planOf } from './plan.js';
import { type Method, needsArp, type VipWish } from './wish.js';

export interface ScriptRequest {
  readonly vips: readonly IpAddress[];
  readonly method: Method;
  readonly ports: readonly number[];
  readonly interfaceName?: string | undefined;
}

/** Stands in the plan for the real server's address, which the script finds where it runs. */
const RIP = '0.0.0.0' as IpAddress;

/** Returns the script. What users pass is in it only as checked addresses, ports and names of interfaces. */
export function scriptFor(request: ScriptRequest): string {
  const { vips, method, ports } = request;
  const wishes = vips.map((vip): VipWish => ({ vip, method, ports, rip: RIP, tool: 'nft' }));
  const nft = planOf({ vips: wishes });
  const hasChoice = method === 'redirect';
  const iptables = hasChoice ? planOf({ vips: wishes.map((wish) => ({ ...wish, tool: 'iptables' as const })) }) : [];
  const needsRip = wishes.some((wish) => needsArp(wish) && method !== 'sysctl');
  return [
    head(request),
    HELPERS,
    ...FUNCTIONS.filter(({ kind }) => [...nft, ...iptables].some((step) => step.kind === kind)).map(({ text }) => text),
    ...(needsRip ? [ripFunction(vips, request.interfaceName)] : []),
    stepsFunction('in_order', nft, iptables),
    stepsFunction('in_reverse', [...nft].reverse(), [...iptables].reverse()),
    tail(vips, needsRip),
  ].join('\n');
}

function head({ vips, method }: ScriptRequest): string {
  return `#!/bin/sh
# Printed by "beeline realserver script": a real server for ${vips.join(', ')}, method ${method}.
#
#   sh FILE setup    make what is missing; as often as you like (the default)
#   sh FILE check    say what holds: status 0, or 2 if something is missing
#   sh FILE remove   undo what "setup" did, and nothing else; VIPs of another such script stay
#
# Nothing of it outlives a boot: run it at each boot, before the network is up if you can.

# Functions are called by their names in variables.
# shellcheck disable=SC2317,SC2329
set -eu
`;
}

const HELPERS = `action=\${1:-setup}
state=\${BEELINE_STATE:-/var/lib/beeline/realserver.state}
status=0
PATH=$PATH:/usr/sbin:/sbin
export PATH LC_ALL=C

say() { printf '%-8s %s\\n' "$1" "$2"; }

# Whether "setup" recorded this line: what it is about to change, before it does.
recorded() { [ -f "$state" ] && grep -q -x -F -e "$1" "$state"; }
record() { recorded "$1" || printf '%s\\n' "$1" >>"$state"; }
forget() {
  grep -v -x -F -e "$1" "$state" >"$state.new" || true
  mv "$state.new" "$state"
}

# One step: NAME, whether the host is so already (0 or 1), and the commands that do and undo it.
step() {
  name=$1 is_so=$2 make=$3 unmake=$4
  case $action in
    setup)
      if [ "$is_so" = 0 ]; then
        say 'was so' "$name"
      else
        record "$name"
        "$make"
        say 'done' "$name"
      fi
      ;;
    check)
      if [ "$is_so" = 0 ]; then
        say ok "$name"
      else
        say missing "$name"
        status=2
      fi
      ;;
    remove)
      if ! recorded "$name"; then
        return 0
      elif [ "$is_so" = 0 ]; then
        "$unmake"
        say undone "$name"
      else
        say gone "$name"
      fi
      forget "$name"
      ;;
  esac
}
`;

const FUNCTIONS: readonly { readonly kind: Step['kind']; readonly text: string }[] = [
  {
    kind: 'sysctl',
    text: `# KEY, VALUE, and a pattern of the values that do as well.
sysctl_step() {
  file=/proc/sys/$(printf %s "$1" | tr . /)
  now=$(cat "$file")
  case $action in
    setup)
      if printf %s "$now" | grep -q -x -e "$3"; then
        say 'was so' "$1=$now"
      else
        grep -q -F -e "sysctl $1 " "$state" || printf '%s\\n' "sysctl $1 $now" >>"$state"
        printf '%s\\n' "$2" >"$file"
        say 'done' "$1=$2"
      fi
      ;;
    check)
      if printf %s "$now" | grep -q -x -e "$3"; then
        say ok "$1=$now"
      else
        say missing "$1=$2 (it is $now)"
        status=2
      fi
      ;;
    remove)
      before=$(sed -n "s/^sysctl $1 //p" "$state" 2>/dev/null || true)
      if [ -z "$before" ]; then
        return 0
      elif grep -q '^address [0-9.]*/32 on lo$' "$state"; then
        say kept "$1=$2: the host has another VIP"
        return 0
      elif [ "$now" = "$before" ]; then
        say gone "$1=$2"
      elif [ "$now" = "$2" ]; then
        printf '%s\\n' "$before" >"$file"
        say undone "$1=$2: it is $before again"
      else
        say changed "$1 is $now, which somebody set since: it stays"
      fi
      forget "sysctl $1 $before"
      ;;
  esac
}
`,
  },
  {
    kind: 'address',
    text: `# ADDRESS/PREFIX, and how it is added: the ip of BusyBox knows no flags, and lo looks for no duplicates anyway.
add_address() {
  if [ -n "$flags" ] && ip address add "$address" dev lo "$flags" 2>/dev/null; then return 0; fi
  ip address add "$address" dev lo
}
del_address() { ip address del "$address" dev lo; }
address_step() {
  address=$1 flags=\${2:-} so=1
  if ip -o address show dev lo | grep -q -F -e " $address "; then so=0; fi
  step "address $address on lo" "$so" add_address del_address
}
`,
  },
  {
    kind: 'nft',
    text: `# FAMILY and TABLE; the table's text is standard input. It is so if each of its rules is listed.
add_table() { printf '%s\\n' "$text" | nft -f -; }
del_table() { nft delete table "$family" "$table"; }
nft_step() {
  family=$1 table=$2 text=$(cat) so=0
  now=$(nft list table "$family" "$table" 2>/dev/null || true)
  printf '%s\\n' "$text" | sed -n '/^    type /d;s/^    //p' | while read -r line; do
    case $now in *"$line"*) ;; *) exit 1 ;; esac
  done || so=1
  if [ "$so" = 1 ] && [ -n "$now" ]; then
    if [ "$action" = remove ]; then
      so=0
    elif [ "$action" = setup ] && ! recorded "nft table $family $table"; then
      say wrong "nft table $family $table is there, and not of this script: nft list table $family $table"
      exit 2
    fi
  fi
  step "nft table $family $table" "$so" add_table del_table
}
`,
  },
  {
    kind: 'rule',
    text: `# TOOL, CHAIN, and the rule.
in_rules() {
  change=$1
  shift
  case $rule_tool in
    arptables) arptables "$change" "$@" ;;
    *) "$rule_tool" -t nat "$change" "$@" ;;
  esac
}
add_rule() { eval "in_rules -A $rule"; }
del_rule() { eval "in_rules -D $rule"; }
rule_step() {
  rule_tool=$1 so=1
  shift
  rule=$*
  case $rule_tool in
    arptables) if has_arp_rule "$@"; then so=0; fi ;;
    *) if "$rule_tool" -t nat -C "$@" 2>/dev/null; then so=0; fi ;;
  esac
  step "$rule_tool $rule" "$so" add_rule del_rule
}

# arptables cannot look for a rule: it prints the words of each in an order of its own.
sorted_words() { tr -s ' ' '\\n' | grep . | sort | tr '\\n' ' '; }
has_arp_rule() {
  wanted=$(printf '%s ' -A "$@" | sorted_words)
  arptables-save 2>/dev/null | sed -n 's|/32||g;/^-A /p' | while read -r line; do
    if [ "$(printf '%s\\n' "$line" | sorted_words)" = "$wanted" ]; then echo found; fi
  done | grep -q found
}
`,
  },
];

/** The address of the interface whose network has the VIP, or of the default route: what "ip route show match" ends with. */
function ripFunction(vips: readonly IpAddress[], interfaceName: string | undefined): string {
  const first = vips.find((vip) => !vip.includes(':'))!;
  const device =
    interfaceName === undefined
      ? `$(ip -4 route show match ${first} table main | sed -n '$s/.* dev \\([^ ]*\\).*/\\1/p')`
      : `'${interfaceName}'`;
  const others = vips.filter((vip) => !vip.includes(':')).map((vip) => ` -e ' ${vip}/'`);
  return `# The real server's own address stands for the VIP in its ARP requests.
find_rip() {
  device=${device}
  rip=$(ip -4 -o address show dev "$device" | grep -v -F${others.join('')} | sed -n '1s/.* inet \\([0-9.]*\\).*/\\1/p')
  if [ -z "$rip" ]; then
    echo "no IPv4 address on the interface '$device'" >&2
    exit 1
  fi
}
`;
}

function stepsFunction(name: string, nft: readonly Step[], iptables: readonly Step[]): string {
  const lines = (steps: readonly Step[]): string => steps.map(stepLines).join('\n');
  const body =
    iptables.length === 0
      ? lines(nft)
      : `if command -v nft >/dev/null; then\n${lines(nft)}\nelse\n${lines(iptables)}\nfi`;
  return `${name}() {\n${body}\n}\n`;
}

/** The call for a step. Here-documents begin at the left, so that nothing is indented. */
function stepLines(step: Step): string {
  switch (step.kind) {
    case 'sysctl':
      return `sysctl_step ${assignment(step.key, '').slice(0, -1)} ${step.value} '[${step.enough.join('')}]'`;
    case 'address':
      return `address_step ${cidr(step)}${step.prefix === 128 ? ' nodad' : ''}`;
    case 'nft':
      return withRip(`nft_step ${step.family} ${step.table} <<END\n${tableText(step)}END`, '$rip');
    case 'rule':
      return withRip(`rule_step ${step.tool} ${step.chain} ${step.rule.join(' ')}`, '"$rip"');
    case 'file':
    case 'link':
      return `# ${commandText({ ...doing(step), input: '' }).split('\n')[0]!}`;
  }
}

function withRip(text: string, rip: string): string {
  return text.replaceAll(RIP, rip);
}

function tail(vips: readonly IpAddress[], needsRip: boolean): string {
  const patterns = vips.map((vip) => ` -e ' ${vip}/'`).join('');
  return `case $action in
  setup | check | remove) ;;
  *)
    echo "usage: $0 [setup|check|remove]" >&2
    exit 2
    ;;
esac

# What an earlier boot recorded is gone.
boot=$(cat /proc/sys/kernel/random/boot_id)
if [ "$action" = setup ]; then
  mkdir -p "$(dirname "$state")"
fi
if [ "$action" != check ] && [ -f "$state" ] && ! recorded "boot $boot"; then
  rm -f "$state"
fi
if [ "$action" = setup ]; then
  record "boot $boot"
fi

if ip -o address show | grep -v ' lo ' | grep -q -F${patterns}; then
  say wrong 'a VIP is on a network interface, where this host answers for it'
  if [ "$action" != remove ]; then exit 2; fi
fi
${needsRip ? 'find_rip\n' : ''}if [ "$action" = remove ]; then
  in_reverse
  # What another script set up stays recorded.
  if [ -f "$state" ] && ! grep -q -v '^boot ' "$state"; then
    rm -f "$state"
  fi
else
  in_order
fi
exit "$status"
`;
}
