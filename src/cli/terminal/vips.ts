/** Prints where VIPs are, whose they are, and what brings them back at a boot. Pure. */

import type { VipReport } from '../../setup/index.js';
import type { Paint } from './colour.js';
import { type Column, formatTable } from './format.js';

const COLUMNS: readonly Column[] = [
  { title: 'VIP' },
  { title: 'INTERFACE', style: (cell) => (cell === '-' || cell.includes('(') ? 'bad' : undefined) },
  { title: 'PREFIX', style: (cell) => (cell.includes('!') ? 'bad' : undefined) },
  { title: 'OWNER' },
  { title: 'AT BOOT', style: (cell) => (cell === '-' ? 'warning' : undefined) },
];

/** A VIP that several interfaces have takes a line for each. */
export function formatVips(reports: readonly VipReport[], paint?: Paint): string {
  if (reports.length === 0) {
    return 'no VIPs\n';
  }
  const rows = reports.flatMap(({ vip, places, owner, router, files }) => {
    const whose = owner === 'vrrp' ? `VRRP ${router ?? ''}`.trim() : owner === 'none' ? '-' : owner;
    const boot = files.length === 0 ? '-' : files.join(', ');
    if (places.length === 0) {
      return [[vip, '-', '-', whose, boot]];
    }
    return places.map(({ interface: name, prefix, prefixIsRight, up, duplicate }) => [
      vip,
      `${name}${up ? '' : ' (down)'}${duplicate ? ' (duplicate)' : ''}`,
      `/${prefix}${prefixIsRight ? '' : ' !'}`,
      whose,
      boot,
    ]);
  });
  return formatTable(COLUMNS, rows, '', paint);
}
