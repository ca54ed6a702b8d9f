/** A host that is a few lists: it does what ip, nft and arptables would, and fails where a test wants it. */

import { type CommandLine, type Machine, type Step, tableText } from '../../src/steps/index.js';

interface Address {
  readonly ifname: string;
  readonly local: string;
  readonly prefixlen: number;
}

export interface State {
  sysctls: Record<string, string>;
  addresses: Address[];
  tables: Record<string, string>;
  rules: Record<string, string[]>;
  files: Record<string, string>;
}

/** As Debian boots, with one interface. */
export function freshState(): State {
  const sysctls = ['all', 'lo'].flatMap((device) =>
    ['arp_ignore', 'arp_announce'].map((name) => [`net/ipv4/conf/${device}/${name}`, '0'] as const),
  );
  return {
    sysctls: Object.fromEntries(sysctls),
    addresses: [
      { ifname: 'lo', local: '127.0.0.1', prefixlen: 8 },
      { ifname: 'ens3', local: '192.168.1.31', prefixlen: 24 },
    ],
    tables: {},
    rules: { arptables: [], iptables: [], ip6tables: [] },
    files: {},
  };
}

export class Stopped extends Error {}

export class FakeHost implements Machine {
  boot = 'first';
  state: State;
  devices: readonly string[] = ['lo', 'ens3'];
  programs: readonly string[] = [
    '/usr/lib/systemd/systemd-networkd',
    '/usr/sbin/netplan',
    '/usr/sbin/NetworkManager',
    '/usr/sbin/ifup',
  ];
  /** Changes of the host that are made before it stops; record included. */
  left = Infinity;
  /** Those whose tables nft can list. */
  readonly #steps: readonly Step[];

  constructor(state: State, steps: readonly Step[]) {
    this.state = state;
    this.#steps = steps;
  }

  #change(): void {
    if (this.left <= 0) {
      throw new Stopped();
    }
    this.left -= 1;
  }

  async run({ file, args, input }: CommandLine): Promise<string> {
    await Promise.resolve();
    const line = [file, ...args].join(' ');
    if (line === 'ip -j address show') {
      return JSON.stringify(
        this.devices.map((ifname) => ({
          ifname,
          flags: ifname === 'lo' ? ['LOOPBACK', 'UP'] : ['BROADCAST', 'UP'],
          addr_info: this.state.addresses.filter((each) => each.ifname === ifname),
        })),
      );
    }
    if (args[0] === '-j' || args.includes('-S') || file === 'arptables-save') {
      return this.listing(file);
    }
    this.#change();
    if (file === 'ip') {
      this.#ip(args);
    } else if (file === 'nft') {
      this.#nft(args, input);
    } else {
      this.#rules(file, args);
    }
    return '';
  }

  #ip([, verb, cidr, , ifname]: readonly string[]): void {
    const [local = '', prefix] = cidr!.split('/');
    const isIt = (each: Address): boolean => each.local === local && each.ifname === ifname;
    if (this.state.addresses.some(isIt) === (verb === 'add')) {
      throw new Error(`RTNETLINK answers: ${verb!} ${cidr!}`);
    }
    const others = this.state.addresses.filter((each) => !isIt(each));
    const added = verb === 'del' ? [] : [{ ifname: ifname!, local, prefixlen: Number(prefix) }];
    this.state.addresses = [...others, ...added];
  }

  #nft(args: readonly string[], input: string | undefined): void {
    if (input !== undefined) {
      this.state.tables[/^table (\S+ \S+)$/m.exec(input)![1]!] = input;
    } else {
      const gone = `${args[2]!} ${args[3]!}`;
      this.state.tables = Object.fromEntries(Object.entries(this.state.tables).filter(([name]) => name !== gone));
    }
  }

  #rules(tool: string, args: readonly string[]): void {
    const [verb, ...rule] = tool === 'arptables' ? args : args.slice(2);
    const line = `-A ${rule.join(' ')}`;
    const rules = this.state.rules[tool]!;
    if (rules.includes(line) === (verb === '-A')) {
      throw new Error(`${tool}: ${verb!} ${line}`);
    }
    this.state.rules[tool] = verb === '-A' ? [...rules, line] : rules.filter((each) => each !== line);
  }

  async listing(file: string): Promise<string> {
    await Promise.resolve();
    if (file !== 'nft') {
      return this.state.rules[file === 'arptables-save' ? 'arptables' : file]!.join('\n');
    }
    const objects = Object.entries(this.state.tables).flatMap(([name, text]) => {
      const [family = '', table = ''] = name.split(' ');
      const step = this.#steps.find((each) => each.kind === 'nft' && tableText(each) === text);
      const rules = step?.kind === 'nft' ? step.rules : text.includes('counter') ? [[{ counter: null }]] : [];
      return [{ table: { family, name: table } }, ...rules.map((expr) => ({ rule: { family, table, expr } }))];
    });
    return JSON.stringify({ nftables: objects });
  }

  read(path: string): string | undefined {
    return this.state.files[path];
  }

  readText(path: string): string | undefined {
    return this.state.files[path];
  }

  kernelFile(): string {
    return '';
  }

  names(path: string): string[] {
    return Object.keys(this.state.files).flatMap((file) =>
      file.startsWith(`${path}/`) ? [file.slice(path.length + 1)] : [],
    );
  }

  exists(path: string): boolean {
    return path in this.state.files || this.programs.includes(path);
  }

  write(path: string, text: string): void {
    this.#change();
    this.state.files[path] = text;
  }

  link(path: string, target: string): void {
    this.write(path, target);
  }

  remove(path: string): void {
    this.#change();
    this.state.files = Object.fromEntries(Object.entries(this.state.files).filter(([name]) => name !== path));
  }

  sysctl(key: string): string | undefined {
    return this.state.sysctls[key];
  }

  setSysctl(key: string, value: string): void {
    this.#change();
    this.state.sysctls[key] = value;
  }

  /** The host boots: what is in no file is gone. Files of the network and of sysctls do what they say. */
  reboot(): void {
    const { files } = this.state;
    const texts = Object.values(files).filter((text) => /^(#!.*\n)?# Written by/.test(text));
    this.boot = 'second';
    this.state = { ...freshState(), files };
    for (const text of texts) {
      for (const [, key, value] of text.matchAll(/^(net\.ipv4\.conf\.\S+)=(\d)$/gm)) {
        this.state.sysctls[key!.replaceAll('.', '/')] = value!;
      }
      for (const [, cidr] of text.matchAll(/(?:^Address=|address |- "|replace )([0-9a-f.:]+\/(?:32|128))/gm)) {
        const device = text.includes('"beeline vip add"') && !/\blo\b/.test(text) ? 'ens3' : 'lo';
        this.#ip(['address', 'add', cidr!, 'dev', device]);
      }
      for (const [, table] of text.matchAll(/<<'END'\n([^]*?)END$/gm)) {
        this.#nft([], table);
      }
      for (const [, rule] of text.matchAll(/^arptables -A (.*) \|\| failed=1$/gm)) {
        this.#rules('arptables', ['-A', ...rule!.split(' ')]);
      }
    }
  }
}

/** Has work interrupted after so many changes of its host. Returns what it left then; undefined: it came to its end before. */
export async function interrupted(
  host: FakeHost,
  changes: number,
  work: () => Promise<unknown>,
): Promise<State | undefined> {
  host.left = changes;
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof Stopped) {
      return structuredClone(host.state);
    }
    throw error;
  } finally {
    host.left = Infinity;
  }
}
