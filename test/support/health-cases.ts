/** Health checks of the lab as a table: a service for each, and what `beeline list --checks` must say of it. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import type { CheckRunReport, CheckStateReport } from '../../src/control/index.js';
import { hostNamed, VIP4, VIP6 } from '../../src/lab/index.js';
import type { TestLab } from './lab.js';

/** What is found, or how that begins if it ends with "…": the rest is the version of a daemon. */
export type Finding = string | ((vip: string) => string);

export interface CheckMapping {
  readonly type: string;
  readonly port?: number;
  readonly via?: string;
  readonly requests?: readonly object[];
  readonly [key: string]: unknown;
}

export interface HealthCase {
  readonly name: string;
  /** The mapping of the configuration file. */
  readonly check: CheckMapping;
  readonly protocol?: 'tcp' | 'udp';
  /** The port of the service. Default: one of its own, from FIRST_PORT on: then the check must have a port. */
  readonly port?: number;
  /** Default: one of the two, by turns: what a check says differs between them only where a case names both. */
  readonly vips?: readonly string[];
  readonly finds: Finding;
}

const REAL_SERVERS = ['real1', 'real2'] as const;
const FIRST_PORT = 20_000;
/** Times are short: the real servers are near. A timeout costs nothing but its length, once. */
const TIMES = { interval: 1.5, fastInterval: 1, timeout: 1, rise: 1, fall: 1 } as const;
/** What a busy machine needs for handshakes. */
const TLS_TIMES = { interval: 2, timeout: 3 } as const;
const PATIENCE_MS = 60_000;

export interface Planned {
  /** The name of the case, and the VIP. */
  readonly title: string;
  readonly vip: string;
  readonly check: HealthCase['check'];
  readonly service: string;
  readonly realServer: string;
  readonly finds: string;
}

/** A case by each VIP that it has. */
export class HealthTable {
  readonly planned: Planned[] = [];
  readonly services: object[] = [];

  /** @param more of each service's health */
  constructor(cases: readonly HealthCase[], more: object = {}) {
    cases.forEach(({ name, check, protocol = 'tcp', port, vips, finds }, i) => {
      for (const vip of vips ?? [i % 2 === 0 ? VIP4 : VIP6]) {
        const isSix = vip.includes(':');
        const at = port ?? FIRST_PORT + i;
        const [checked, other] = REAL_SERVERS.map((host) => hostNamed(host)[isSix ? 'ipv6' : 'ipv4']);
        this.services.push({
          address: vip,
          port: at,
          protocol,
          scheduler: 'rr',
          health: { checks: [check], ...TIMES, ...('ca' in check && TLS_TIMES), ...more },
          // The other one is there for packets that come back to the director: it takes them, and answers.
          realServers: [checked, { address: other, health: 'off' }],
        });
        this.planned.push({
          title: `${name}, ${vip}`,
          vip,
          check,
          realServer: checked!,
          service: `${protocol} ${isSix ? `[${vip}]` : vip}:${at}`,
          finds: typeof finds === 'string' ? finds : finds(vip),
        });
      }
    });
  }

  /**
   * Waits until each check finds what it must, and fails with the differences if that does not come about.
   *
   * @param when whether all must find it at one time, or each at some time
   */
  async expect(
    lab: TestLab,
    change: (planned: Planned) => string = ({ finds }) => finds,
    when: 'together' | 'once' = 'together',
  ): Promise<void> {
    const expected = Object.fromEntries(this.planned.map((each) => [each.title, change(each)]));
    const deadline = performance.now() + PATIENCE_MS;
    const seen = new Set<string>();
    for (;;) {
      const found = await this.found(lab);
      for (const [title, text] of Object.entries(expected)) {
        if (text.endsWith('…') && found[title]?.startsWith(text.slice(0, -1)) === true) {
          found[title] = text;
        }
        if (when === 'once' && (found[title] === text || seen.has(title))) {
          seen.add(title);
          found[title] = text;
        }
      }
      try {
        assert.deepEqual(found, expected);
        return;
      } catch (error) {
        if (performance.now() > deadline) {
          throw error;
        }
      }
      await sleep(200);
    }
  }

  /** Has `beeline check-server` make the checks, and returns what it found beside what it must find. */
  async madeNow(lab: TestLab, { service, realServer, finds }: Planned): Promise<{ found: string; finds: string }> {
    const { stdout, stderr } = await lab.run('check-server', service, realServer, '--json');
    assert.equal(stderr, '');
    const [run] = JSON.parse(stdout) as CheckRunReport[];
    const { result, warning, trouble } = run!;
    const state = result?.passed === true ? 'up' : 'down';
    const found = stateText({ state, last: result, warning, trouble });
    return { found: finds.endsWith('…') && found.startsWith(finds.slice(0, -1)) ? finds : found, finds };
  }

  async found(lab: TestLab): Promise<Record<string, string>> {
    const services = await lab.ask('checks', {});
    const byName = new Map(services.map((each) => [each.service, each]));
    return Object.fromEntries(
      this.planned.map(({ title, service }) => {
        const server = byName.get(service)?.realServers.find(({ checks }) => checks.length > 0);
        return [title, server === undefined ? 'is not checked' : server.checks.map(stateText).join('; ')];
      }),
    );
  }
}

/** "up L7 status 200", with "warning: …" and "trouble: …" behind it */
export function stateText({
  state,
  last,
  warning,
  trouble,
}: Pick<CheckStateReport, 'state' | 'last' | 'warning' | 'trouble'>): string {
  return [
    last === undefined ? state : `${state} ${last.layer} ${last.words}`,
    warning !== undefined && `warning: ${warning}`,
    trouble !== undefined && `trouble: ${trouble}`,
  ]
    .filter((part) => typeof part === 'string')
    .join('; ');
}
