/** The lines that keepalived writes into its notify FIFO (keepalived.conf(5), vrrp_notify_fifo). Pure. */

/** `STOP`: keepalived ended. `UNKNOWN`: it is gone without a word. The others are keepalived's words. */
export const VRRP_STATES = ['MASTER', 'BACKUP', 'FAULT', 'STOP', 'UNKNOWN'] as const;
export type VrrpState = (typeof VRRP_STATES)[number];

export type Notice =
  | { readonly kind: 'state'; readonly instance: string; readonly state: VrrpState; readonly priority: number }
  | { readonly kind: 'priority'; readonly instance: string; readonly priority: number }
  /** A master hears another one, of a lower priority. */
  | { readonly kind: 'other-master'; readonly instance: string };

/** keepalived: INSTANCE "VI_1" MASTER 100; sync groups have GROUP. */
const LINE = /^(INSTANCE|GROUP) "([^"]{1,255})" ([A-Z_]{1,32}) (\d{1,3})$/;

/** Returns what a line says; `ignored`: nothing that matters; undefined: it is no line of keepalived's. */
export function parseNotice(line: string): Notice | 'ignored' | undefined {
  const [, type, instance = '', word = '', digits] = LINE.exec(line) ?? [];
  const priority = Number(digits);
  if (type === undefined || priority > 255) {
    return undefined;
  }
  if (type === 'GROUP') {
    return 'ignored';
  }
  switch (word) {
    case 'MASTER':
    case 'BACKUP':
    case 'FAULT':
    case 'STOP':
      return { kind: 'state', instance, state: word, priority };
    case 'MASTER_PRIORITY':
    case 'BACKUP_PRIORITY':
      return { kind: 'priority', instance, priority };
    case 'MASTER_RX_LOWER_PRI':
      return { kind: 'other-master', instance };
    default:
      return undefined;
  }
}

/** The longest line that is read. keepalived's are shorter, so that a longer one is wrong wherever it is cut. */
const MAX_LINE = 512;

/** Makes lines of what is read, however it is cut. */
export class Lines {
  #rest = '';

  add(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!.slice(0, MAX_LINE);
    return lines.map((line) => line.slice(0, MAX_LINE));
  }
}
