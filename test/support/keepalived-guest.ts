/** Debian's keepalived on a real IPVS, in user-mode Linux: what it asks IPVS for when it starts with a file. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { IpvsGuest } from './ipvs-guest.js';

export const KEEPALIVED = '/usr/sbin/keepalived';
/** keepalived says so when it has made its virtual servers. */
export const STARTED = 'Startup complete';

const MOST_TRIES = 60;

/** First checks come so late that all real servers are still as they are at the start. keepalived draws a part of these seconds. */
const LATE = 'warmup 100000';

/** Returns a file whose checks begin late, and which says the same otherwise. */
export function withLateChecks(text: string): string {
  return text
    .replace(/^([ \t]*)warmup [^\\\n]*/gm, `$1${LATE} `)
    .replace(/^(.*\bvirtual_server .*\{)([ \t]*\\?)$/gm, `$1$2\n${LATE}$2`);
}

export interface Asked {
  /** As "ipvsadm -Sn" prints them. */
  readonly rules: readonly string[];
  /** As "ipvsadm -Ln --thresholds" prints them, without which they are nowhere. */
  readonly thresholds: string;
  readonly log: string;
}

export class KeepalivedGuest implements AsyncDisposable {
  readonly #guest: IpvsGuest;
  readonly #folder: string;

  private constructor(guest: IpvsGuest, folder: string) {
    this.#guest = guest;
    this.#folder = folder;
  }

  /** @param files by their paths in a folder, where includes find them */
  static async boot(files: Readonly<Record<string, string>>): Promise<KeepalivedGuest> {
    const folder = mkdtempSync(join(tmpdir(), 'keepalived-guest-'));
    const paths = Object.entries(files).map(([name, text]) => {
      const path = join(folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, withLateChecks(text));
      return path;
    });
    // keepalived passes executable files over.
    const lines = ['mkdir -p /run /etc', `/bin/busybox chmod 644 ${paths.join(' ')}`];
    return new KeepalivedGuest(await IpvsGuest.boot(lines, [KEEPALIVED, ...paths]), folder);
  }

  /** Starts keepalived with a file, and returns what it has asked IPVS for, and what it logs. It ends with the guest. */
  async start(name: string, id: string): Promise<Asked> {
    const options = `--check --no_bfd --dont-fork --dont-respawn --log-console --no-syslog`;
    const start = `${KEEPALIVED} ${options} --config-id=${id} --use-file=${join(this.#folder, name)}`;
    const { output: log } = await this.#guest.run(
      `cd ${this.#folder}; SITE=north ${start} >/log 2>&1 & PID=$!; ` +
        `N=0; until grep -q '${STARTED}' /log || ! kill -0 $PID || test $N -eq ${MOST_TRIES}; do sleep 0.1; N=$((N + 1)); done; cat /log`,
    );
    const [rules, thresholds] = [
      await this.#guest.run('ipvsadm -Sn'),
      await this.#guest.run('ipvsadm -Ln --thresholds'),
    ];
    return { rules: rules.output.split('\n').filter(Boolean), thresholds: thresholds.output, log };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guest[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true });
  }
}
