/** A router in front of a lab, and a visitor in the network behind it: a client that is not on the real servers' network. */

import type { TestContext } from 'node:test';

import { inNamespace, NIC, run } from '../../src/lab/index.js';
import type { TestLab } from './lab.js';

/** The router's addresses in the lab. */
export const ROUTER = { ipv4: '192.168.1.1', ipv6: 'fd00::1' } as const;
/** Its port at the lab's switch. */
export const ROUTER_PORT = 'router';
export const VISITOR = { ipv4: '10.1.0.12', ipv6: 'fd01::12' } as const;

/** Per host: the lines for `ip -batch`. */
const SETUP = {
  router: [
    'link set lo up',
    `addr add ${ROUTER.ipv4}/24 dev ${NIC}`,
    `addr add ${ROUTER.ipv6}/64 dev ${NIC} nodad`,
    `link set ${NIC} up`,
    'addr add 10.1.0.1/24 dev outside',
    'addr add fd01::1/64 dev outside nodad',
    'link set outside up',
  ],
  visitor: [
    'link set lo up',
    `addr add ${VISITOR.ipv4}/24 dev ${NIC}`,
    `addr add ${VISITOR.ipv6}/64 dev ${NIC} nodad`,
    `link set ${NIC} up`,
    'route add default via 10.1.0.1',
    'route add default via fd01::1',
  ],
} as const;

type Outside = keyof typeof SETUP;
const OUTSIDE: readonly Outside[] = ['router', 'visitor'];

export class Router {
  readonly #lab: TestLab;

  private constructor(lab: TestLab) {
    this.#lab = lab;
  }

  /** Adds both to a lab that is up, until the test ends. */
  static async build(context: TestContext, lab: TestLab): Promise<Router> {
    const router = new Router(lab);
    // Those of a test that was killed.
    await router.#down();
    context.after(() => router.#down());
    for (const each of OUTSIDE) {
      await run('ip', ['netns', 'add', router.#namespace(each)]);
    }
    const [inside, visitor] = OUTSIDE.map((each) => router.#namespace(each));
    const cable = ['type', 'veth', 'peer', 'name', NIC, 'netns'];
    await run('ip', ['-n', lab.namespace('switch'), 'link', 'add', ROUTER_PORT, ...cable, inside!]);
    await run('ip', ['-n', inside!, 'link', 'add', 'outside', ...cable, visitor!]);
    await lab.exec('switch', ['ip', 'link', 'set', ROUTER_PORT, 'master', 'br0', 'up']);
    const forwarding = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'].map((each) => `echo 1 >/proc/sys/net/${each}`);
    await router.exec('router', 'sh', '-ec', forwarding.join('; '));
    for (const each of OUTSIDE) {
      const input = SETUP[each].map((line) => `${line}\n`).join('');
      await run('ip', ['-n', router.#namespace(each), '-batch', '-'], { input });
    }
    return router;
  }

  #namespace(host: Outside): string {
    return `beeline-${this.#lab.name}-${host}`;
  }

  /** Runs a program there to its end and returns what it printed. */
  exec(host: Outside, ...command: string[]): Promise<string> {
    return run(...inNamespace(this.#namespace(host), command));
  }

  /** Requests pages from the visitor, each from another port. */
  async pages(count: number, url: string): Promise<string[]> {
    const pages: string[] = [];
    for (let i = 0; i < count; i += 1) {
      pages.push((await this.exec('visitor', 'curl', '-sS', '--max-time', '3', url)).trim());
    }
    return pages;
  }

  async #down(): Promise<void> {
    const there = (await run('ip', ['netns', 'list'])).split('\n').map((line) => line.split(' ')[0]);
    for (const namespace of OUTSIDE.map((each) => this.#namespace(each)).filter((each) => there.includes(each))) {
      await run('ip', ['netns', 'delete', namespace]);
    }
  }
}
