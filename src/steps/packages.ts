/** The packages of programs, where the names differ (Debian's). Pure. */

export const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  ip6tables: 'iptables',
  'arptables-save': 'arptables',
};
