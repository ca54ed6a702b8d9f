/** The files that bring a set-up back at a boot, in the language of what configures the network. Pure. */

import { markedFile } from './marker.js';
import {
  type AddressStep,
  assignment,
  cidr,
  commandText,
  doing,
  type FileStep,
  type LinkStep,
  type NftStep,
  type RuleStep,
  type Step,
  type SysctlStep,
  tableText,
} from './step.js';
import type { Way } from './wish.js';

const SYSCTL_FILE = '/etc/sysctl.d/90-beeline-realserver.conf';
const SCRIPT_FILE = '/etc/beeline/realserver-rules.sh';
const UNIT_FILE = '/etc/systemd/system/beeline-realserver.service';
/** The link that "systemctl enable" would make. */
const WANTED_LINK = '/etc/systemd/system/sysinit.target.wants/beeline-realserver.service';

/** Returns the steps that write files, for what the other steps change. */
export function persistFiles(way: Way | undefined, steps: readonly Step[]): (FileStep | LinkStep)[] {
  if (way === undefined) {
    return [];
  }
  const sysctls = steps.filter((step): step is SysctlStep => step.kind === 'sysctl');
  const addresses = steps.filter((step): step is AddressStep => step.kind === 'address');
  const rules = steps.filter((step): step is NftStep | RuleStep => step.kind === 'nft' || step.kind === 'rule');
  return [
    ...(sysctls.length > 0 ? [sysctlFile(sysctls)] : []),
    ...(rules.length > 0 && way !== 'sysctl.d' ? ruleFiles(rules) : []),
    ...(addresses.length > 0 && way !== 'sysctl.d' ? [ADDRESS_FILES[way](addresses)] : []),
  ];
}

function file(path: string, text: string, why: string, mode = 0o644): FileStep {
  return { kind: 'file', id: `file ${path}`, path, text: markedFile(text), mode, why };
}

function sysctlFile(sysctls: readonly SysctlStep[]): FileStep {
  const lines = sysctls.map(({ key, value }) => `${assignment(key, value)}\n`);
  return file(SYSCTL_FILE, lines.join(''), 'the sysctls are set at each boot');
}

/** The rules for every VIP as a script, and the unit that runs it before there is a network. */
function ruleFiles(rules: readonly (NftStep | RuleStep)[]): (FileStep | LinkStep)[] {
  const lines = rules.map((step) => {
    if (step.kind === 'nft') {
      return `nft -f - <<'END'\n${tableText(step)}END\n`;
    }
    const add = commandText(doing(step));
    return `${add.replace(' -A ', ' -D ')} 2>/dev/null\n${add} || failed=1\n`;
  });
  const script = `failed=0\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n${lines.join('')}exit "$failed"\n`;
  const unit = `[Unit]
Description=Keeps this real server from answering for the VIPs
DefaultDependencies=no
After=local-fs.target systemd-modules-load.service
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh ${SCRIPT_FILE}
`;
  return [
    file(SCRIPT_FILE, script, 'the rules of each VIP, for the next boot', 0o755),
    file(UNIT_FILE, unit, 'the rules are there at each boot, before the network is'),
    {
      kind: 'link',
      id: `file ${WANTED_LINK}`,
      path: WANTED_LINK,
      target: UNIT_FILE,
      why: 'systemd starts that unit at each boot',
    },
  ];
}

const WHY = 'the VIPs are on lo at each boot';

const ADDRESS_FILES: Readonly<Record<Exclude<Way, 'sysctl.d'>, (addresses: readonly AddressStep[]) => FileStep>> = {
  'systemd-networkd': (addresses) => {
    const parts = addresses.map(
      (step) => `\n[Address]\nAddress=${cidr(step)}\n${step.prefix === 128 ? 'DuplicateAddressDetection=none\n' : ''}`,
    );
    return file('/etc/systemd/network/10-beeline-realserver.network', `[Match]\nName=lo\n${parts.join('')}`, WHY);
  },
  netplan: (addresses) => {
    const lines = addresses.map((step) => `        - "${cidr(step)}"\n`);
    const head = 'network:\n  version: 2\n  ethernets:\n    lo:\n      match:\n        name: lo\n      addresses:\n';
    return file('/etc/netplan/90-beeline-realserver.yaml', head + lines.join(''), WHY, 0o600);
  },
  ifupdown: (addresses) => {
    const parts = addresses.map(
      (step) =>
        `iface lo ${step.prefix === 32 ? 'inet' : 'inet6'} static\n    address ${cidr(step)}\n${step.prefix === 128 ? '    dad-attempts 0\n' : ''}`,
    );
    return file('/etc/network/interfaces.d/beeline-realserver', `auto lo\n${parts.join('')}`, WHY);
  },
  networkmanager: (addresses) => {
    const of = (prefix: number, own: string): string =>
      [own, ...addresses.filter((step) => step.prefix === prefix).map(cidr)]
        .map((each, i) => `address${i + 1}=${each}\n`)
        .join('');
    const text =
      '[connection]\nid=beeline-realserver\ntype=loopback\ninterface-name=lo\n\n[loopback]\n\n' +
      `[ipv4]\nmethod=manual\n${of(32, '127.0.0.1/8')}\n[ipv6]\nmethod=manual\n${of(128, '::1/128')}`;
    return file('/etc/NetworkManager/system-connections/beeline-realserver.nmconnection', text, WHY, 0o600);
  },
};
