/** The files that bring a set-up back at a boot, in the language of what configures the network. Pure. */

import {
  addressFiles,
  type AddressStep,
  assignment,
  bootFile,
  commandText,
  doing,
  type FileStep,
  type LinkStep,
  type NftStep,
  placeOfLo,
  type RuleStep,
  type Step,
  type SysctlStep,
  tableText,
} from '../steps/index.js';
import { AUTHOR } from './author.js';
import type { Wish } from './wish.js';

const SYSCTL_FILE = '/etc/sysctl.d/90-beeline-realserver.conf';
export const SCRIPT_FILE = '/etc/beeline/realserver-rules.sh';
const UNIT_FILE = '/etc/systemd/system/beeline-realserver.service';
/** The link that "systemctl enable" would make. */
const WANTED_LINK = '/etc/systemd/system/sysinit.target.wants/beeline-realserver.service';

/** What loads the rules of a host, which begins with a flush: at each boot, and whenever it is restarted or reloaded. */
const LOADERS =
  'nftables.service netfilter-persistent.service iptables.service ip6tables.service arptables.service ufw.service';

/** Returns the steps that write files, for what the other steps change. */
export function persistFiles({ persist: way, place }: Wish, steps: readonly Step[]): (FileStep | LinkStep)[] {
  if (way === undefined) {
    return [];
  }
  const sysctls = steps.filter((step): step is SysctlStep => step.kind === 'sysctl');
  const addresses = steps.filter((step): step is AddressStep => step.kind === 'address');
  const rules = steps.filter((step): step is NftStep | RuleStep => step.kind === 'nft' || step.kind === 'rule');
  return [
    ...(sysctls.length > 0 ? [sysctlFile(sysctls)] : []),
    ...(rules.length > 0 && way !== 'sysctl.d' ? ruleFiles(rules) : []),
    ...(way === 'sysctl.d'
      ? []
      : addressFiles(
          AUTHOR,
          addresses.map((step) => ({ step, place: place ?? placeOfLo(way) })),
        )),
  ];
}

function file(path: string, text: string, why: string, mode?: number): FileStep {
  return bootFile(AUTHOR, path, text, why, mode);
}

function sysctlFile(sysctls: readonly SysctlStep[]): FileStep {
  const lines = sysctls.map(({ key, value }) => `${assignment(key, value)}\n`);
  return file(SYSCTL_FILE, lines.join(''), 'the sysctls are set at each boot');
}

/**
 * The rules for every VIP as a script, and the unit that runs it before there is a network: after what loads the rules of
 * this host, and again whenever that does.
 */
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
After=${LOADERS}
PartOf=${LOADERS}
ReloadPropagatedFrom=${LOADERS}
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh ${SCRIPT_FILE}
ExecReload=/bin/sh ${SCRIPT_FILE}
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
