/** Replays frames that were recorded with the kernel's IPVS (test/golden/ipvs/wire-*.txt) through the program. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Interface, ip, type IpAddress, mac, type Resolution } from '../../src/model/index.js';
import { PacketDirector } from './director.js';
import { FakeDirector, ipvsadm } from './ipvsadm.js';
import { describeFrame, frameFrom, WIRE } from './wire-text.js';

/** A part of a recording: what was done, line by line, and for each frame what IPVS sent. */
interface Section {
  readonly title: string;
  readonly steps: { readonly line: string; readonly sent: string[] }[];
}

function sectionsOf(file: string): Section[] {
  const sections: Section[] = [{ title: 'before', steps: [] }];
  for (const line of readFileSync(join('test/golden/ipvs', file), 'utf8').split('\n')) {
    if (line.startsWith('## ')) {
      sections.push({ title: line.slice(3), steps: [] });
    } else if (/^[!>] /.test(line)) {
      sections.at(-1)!.steps.push({ line, sent: [] });
    } else if (line.startsWith('< ')) {
      sections.at(-1)!.steps.at(-1)!.sent.push(line.slice(2));
    }
  }
  return sections;
}

/** The director of the recordings: its services are made by ipvsadm's commands. */
class Replay implements Disposable {
  readonly #packets = new PacketDirector();
  readonly #director = new FakeDirector();
  #mtu = 1500;
  /** The ids of VLAN devices on the card, by name. */
  readonly #vlans = new Map<string, number>();
  #waiting: { readonly line: string; readonly offset: number }[] = [];

  /** Takes a command that prepared something. Those that are neither ipvsadm's nor about MTU and VLANs are no matter of the program. */
  async command(line: string): Promise<void> {
    const mtu = /ip link set vec0 mtu (\d+)/.exec(line)?.[1];
    this.#mtu = Number(mtu ?? this.#mtu);
    const [, name = '', id] = /ip link add link vec0 name (\S+) type vlan id (\d+)/.exec(line) ?? [];
    const deleted = /ip link del (\S+)/.exec(line)?.[1] ?? '';
    if (id !== undefined) {
      this.#vlans.set(name, Number(id));
    }
    const changed = id !== undefined || this.#vlans.delete(deleted);
    const commands = line.split('; ').filter((each) => each.startsWith('ipvsadm '));
    for (const each of commands) {
      await ipvsadm(this.#director, each.trim().split(' ').slice(1));
    }
    if (changed || mtu !== undefined || commands.length > 0) {
      await this.#publish();
    }
  }

  async #publish(): Promise<void> {
    // IPVS decrements the TTL of what it sends on.
    const services = this.#director.model.services.map((each) => ({ ...each, ttl: 'decrement' as const }));
    const addresses = ['10.0.0.1', '10.0.0.100', 'fd00::1', 'fd00::100'].map(ip);
    const card: Interface = {
      name: 'vec0',
      ifindex: 7,
      mac: WIRE['director']!,
      up: true,
      mtu: this.#mtu,
      group: 7,
      addresses,
      above: [...this.#vlans].map(([name, id]) => ({
        name,
        mac: WIRE['director']!,
        addresses: [],
        vlan: [{ id, service: false }],
      })),
    };
    const servers = services.flatMap(({ destinations }) => destinations.map(({ address }) => address));
    const resolutions = new Map(
      servers.map((address): [IpAddress, Resolution] => {
        const last = address.split(/[.:]/).at(-1)!;
        return [address, { state: 'resolved', mac: mac(`02:00:00:00:00:${last}`), ifindex: card.ifindex }];
      }),
    );
    const own = [...addresses, ip('10.0.0.255')];
    await this.#packets.publishModel({ services }, { interfaces: [card], resolutions, own });
  }

  /**
   * Returns what the director sends for a frame; "host" if its host gets it. As the daemon does, it sends fragments that
   * came before their first one after that, in the order of their bytes.
   */
  send(line: string): string[] {
    const before = this.#early;
    const { action, frame } = this.#send(line);
    if (before !== this.#early) {
      this.#waiting.push({ line, offset: Number(/ part=(\d+)/.exec(line)?.[1]) });
    }
    const sent = action === 'tx' ? [describeFrame(frame)] : action === 'pass' ? ['host'] : [];
    return action === 'tx' && line.includes(' part=0-') ? [...sent, ...this.#sendWaiting()] : sent;
  }

  #sendWaiting(): string[] {
    const sent: string[] = [];
    const waiting = this.#waiting.toSorted((a, b) => a.offset - b.offset);
    this.#waiting = [];
    for (const each of waiting) {
      const { action, frame } = this.#send(each.line);
      if (action === 'tx') {
        sent.push(describeFrame(frame));
      } else {
        this.#waiting.push(each);
      }
    }
    return sent;
  }

  #send(line: string): ReturnType<PacketDirector['send']> {
    return this.#packets.send(frameFrom(line));
  }

  /** How many fragments came before their first one. */
  get #early(): number {
    return this.#packets.verdicts()['early'] ?? 0;
  }

  [Symbol.dispose](): void {
    this.#packets.close();
  }
}

/** What a host answers by itself: nothing, a reset, an echo, or that it does not know a protocol or a UDP port. */
const BY_HOST = /^client (tcp \S+ \S+ RA?( df)?$|icmp (0\/0|129\/0|3\/2|4\/1) |icmp (3\/3|1\/4) .*quote=(udp|esp),)/;

/** Makes those differences disappear that are the same everywhere (test/golden/ipvs/README.md). */
function comparable(line: string): string {
  const isAnswer = line.startsWith('client icmp');
  return line
    .replace(isAnswer ? / df$/ : /$^/, '')
    .replace(isAnswer ? / 10\.0\.0\.100(?= 10)/ : /$^/, ' 10.0.0.1')
    .replace(isAnswer ? / fd00::100(?= fd)/ : /$^/, ' fd00::1')
    .replace(/(fd.*) id=\w+$/, '$1');
}

/** Where Beeline sends frames of a section elsewhere than IPVS: "> " and the frame, then "< " and each that Beeline sends. */
export interface Difference {
  readonly title: string;
  readonly lines: readonly string[];
}

interface Sent {
  readonly frame: string;
  readonly ipvs: readonly string[];
  readonly beeline: readonly string[];
}

async function sentIn(replay: Replay, { steps }: Section): Promise<Sent[]> {
  const all: Sent[] = [];
  for (const { line, sent } of steps) {
    if (line.startsWith('!')) {
      await replay.command(line.slice(2));
      continue;
    }
    const beeline = replay.send(line.slice(2));
    const isSame = beeline[0] === 'host' && sent.every((each) => BY_HOST.test(each));
    all.push({ frame: line, ipvs: isSame ? ['host'] : sent.map(comparable), beeline: beeline.map(comparable) });
  }
  return all;
}

/**
 * Replays a recording. Frames are compared one by one, but for those that together make the same as in IPVS: it sends
 * fragments only when all are there.
 *
 * @param holds which sections are replayed
 */
export async function differencesIn(file: string, holds: (title: string) => boolean): Promise<Difference[]> {
  using replay = new Replay();
  const differences: Difference[] = [];
  for (const section of sectionsOf(file).filter(({ title }) => title === 'before' || holds(title))) {
    const all = await sentIn(replay, section);
    const [ipvs, beeline] = (['ipvs', 'beeline'] as const).map((who) => all.flatMap((each) => each[who]).join('\n'));
    if (ipvs !== beeline) {
      const others = all.filter((each) => each.ipvs.join('\n') !== each.beeline.join('\n'));
      const lines = others.flatMap((each) => [each.frame, ...each.beeline.map((line) => `< ${line}`)]);
      differences.push({ title: section.title, lines });
    }
  }
  return differences;
}
