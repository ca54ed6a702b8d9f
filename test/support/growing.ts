/** A director without an interface whose flow tables grow, in a process that ends or goes wrong amid that: see test/packet/outgrown.test.ts. */

import { fileURLToPath } from 'node:url';

import { DataPlane, DIRECTOR_OBJECT, EXPLAIN_OBJECT, listSets, setPath } from '../../src/dataplane/index.js';
import { compile } from '../../src/image/index.js';
import { BpfProgram } from '../../src/libbpf/index.js';
import { ip, type Service } from '../../src/model/index.js';
import { addon } from '../../src/native/index.js';
import { buildFrame, TCP_FLAG } from '../../src/packet/index.js';
import { CLIENT_MAC, DIRECTOR, service, worldOf } from './models.js';

const VIP = ip('192.168.1.100');
const SERVERS = [ip('10.0.0.1'), ip('10.0.0.2'), ip('10.0.0.3')];

/** At which copy of flows into larger maps the process goes wrong: the first is before packets follow these. */
export const MOMENTS = ['in the first copy', 'before the last copy', 'after the last copy'] as const;
export type Moment = (typeof MOMENTS)[number];

export class GrowingDirector implements Disposable {
  readonly plane: DataPlane;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.plane = new DataPlane({ objectPath: DIRECTOR_OBJECT, explainPath: EXPLAIN_OBJECT, pinDirectory: directory });
  }

  /** @param most the entries of its IPv4 flow table @param others how many more services there are */
  async publish(most: number, others = 0): Promise<void> {
    const services: Service[] = [
      service(VIP, 80, SERVERS, { scheduler: 'rr' }),
      ...Array.from({ length: others }, (_, i) => service(VIP, 1000 + i, SERVERS, { scheduler: 'rr' })),
    ];
    const image = compile({ services, flows: { ipv4: most } }, worldOf(services));
    await this.plane.publish(await this.plane.withPast(image));
  }

  /** Begins a flow from each of these ports, in the maps that packets follow. */
  begin(ports: readonly number[]): void {
    const number = listSets(this.#directory).at(-1)!;
    using program = BpfProgram.openPinned(`${setPath(this.#directory, number)}/program`);
    for (const sourcePort of ports) {
      const ends = { source: ip('192.168.1.12'), destination: VIP, sourcePort, destinationPort: 80 } as const;
      const macs = { destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC };
      program.run({ data: buildFrame({ ...macs, ...ends, protocol: 'tcp', flags: TCP_FLAG.syn }) });
    }
  }

  /** "4001 10.0.0.2": the flows by their ports. */
  async flows(): Promise<string[]> {
    const { flows } = await this.plane.listFlows(4, {}, 0, 1000);
    return flows.map(({ clientPort, destination }) => `${clientPort} ${destination}`).sort();
  }

  get packets(): number {
    const { services } = this.plane.counters();
    return services.flatMap(({ destinations }) => destinations).reduce((sum, { packets }) => sum + packets, 0);
  }

  /** Loads of the first service's real servers. */
  get loads(): number[] {
    const [first] = this.plane.flowCounts().values();
    return first!.map(({ active, inactive }) => active + inactive);
  }

  [Symbol.dispose](): void {
    this.plane.close();
  }
}

/**
 * Begins flows after the first copy of flows, and calls `fail` at a moment.
 *
 * @returns a function that undoes this
 */
export function interfere(moment: Moment, between: () => void, fail: () => void): () => void {
  const copyFlows = addon.copyFlows.bind(addon);
  let copies = 0;
  addon.copyFlows = async (options) => {
    copies += 1;
    if (copies === 2 && moment === 'before the last copy') {
      fail();
    }
    const lost = await copyFlows(options);
    if (copies === 1) {
      between();
    }
    if ((copies === 1 && moment === 'in the first copy') || (copies === 2 && moment === 'after the last copy')) {
      fail();
    }
    return lost;
  };
  return () => {
    addon.copyFlows = copyFlows;
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [directory, moment, most, others, ...ports] = process.argv.slice(2);
  const director = new GrowingDirector(directory!);
  await director.publish(1 << 13);
  const between = (): void => {
    director.begin(ports.map(Number));
  };
  interfere(moment as Moment, between, () => {
    process.kill(process.pid, 'SIGKILL');
  });
  await director.publish(Number(most), Number(others));
}
