/** The POSIX shell script that says what a host has, for a look at it over SSH: it needs no Node.js and changes nothing. Pure. */

import type { IpAddress } from '../../model/index.js';
import { NETWORK_FILES, NETWORK_FOLDERS } from '../../steps/index.js';
import { PURPOSE } from '../purpose.js';

/** What the checks look at in those of others: VIPs, sysctls of ARP, names of network cards. Files have secrets beside them. */
const LINES = 'arp_(ignore|announce)|\\b(e(th|n|ns|np)[A-Za-z0-9_]*[0-9]|wlan[0-9]|bond[0-9]|br[0-9])';

/** Bytes of one part. */
const MOST_OF_PART = 512 << 10;
/** What follows the last part: what ends without it was cut off. */
export const END = '@end';

/**
 * Returns the script. Each part of its output begins with a line "@NAME", and the lines of the part with a space, whatever
 * a host has in its files. It asks iptables and arptables only for tables that are there: a listing would load modules.
 */
export function lookScript(vips: readonly IpAddress[]): string {
  const escaped = vips.map((vip) => vip.replaceAll('.', '\\.'));
  return `# Printed by "beeline doctor --ssh": says what this host has, and changes nothing.
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL

part() {
  echo "@$1"
  shift
  "$@" 2>/dev/null | head -c ${MOST_OF_PART} | sed 's/^/ /'
  echo
}

sysctls() {
  for name in arp_ignore arp_announce rp_filter; do
    grep -H . /proc/sys/net/ipv4/conf/*/"$name"
  done
}

sockets() { grep " $1 " "$2"; }
ruleset() { nft -j -t list ruleset || nft -j list ruleset; }

# FAMILY of nft, TABLE, and the kernel's list of old tables.
has_table() {
  grep -q -x -e "$2" "$3" 2>/dev/null || nft list tables 2>/dev/null | grep -q -x -e "table $1 $2"
}

own_file() {
  if [ -L "$1" ]; then
    part "link $1" readlink "$1"
  elif [ -f "$1" ]; then
    part "file $1" cat "$1"
  fi
}

files() {
  for file in ${NETWORK_FILES.join(' ')} ${NETWORK_FOLDERS.map((folder) => `${folder}/*`).join(' ')}; do
    case $file in
      *beeline-realserver*) own_file "$file" ;;
      *) if [ -f "$file" ]; then part "file $file" grep -E -e '${[...escaped, LINES].join('|')}' "$file"; fi ;;
    esac
  done
  own_file /etc/beeline/realserver-rules.sh
  own_file /etc/systemd/system/beeline-realserver.service
  own_file /etc/systemd/system/sysinit.target.wants/beeline-realserver.service
}

look() {
  part boot cat /proc/sys/kernel/random/boot_id
  part addresses ip address show
  part routes ip -4 route show default
  part routes ip -6 route show default
  part neighbours ip -4 neigh show
  part neighbours ip -6 neigh show
  part sysctls sysctls
  for name in tcp tcp6; do part $name sockets 0A /proc/net/$name; done
  for name in udp udp6; do part $name sockets 07 /proc/net/$name; done
  if nft -j list tables >/dev/null 2>&1; then part nft ruleset; fi
  if has_table arp filter /proc/net/arp_tables_names; then part arptables arptables-save; fi
  if has_table ip nat /proc/net/ip_tables_names; then part iptables iptables -t nat -S PREROUTING; fi
  if has_table ip6 nat /proc/net/ip6_tables_names; then part ip6tables ip6tables -t nat -S PREROUTING; fi
  if [ -f ${PURPOSE.recordPath} ]; then part record cat ${PURPOSE.recordPath}; fi
  files
  echo ${END}
}

look </dev/null
`;
}
