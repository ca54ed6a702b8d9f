/** The programs that lead the host's own connections to the director, and where they are attached (docs/adr/0035). */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Image } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import {
  BpfLink,
  BpfMap,
  BpfObject,
  type BpfProgram,
  type CgroupEvent,
  KernelError,
  TcAttachment,
  type TcDirection,
} from '../../libbpf/index.js';
import { BeelineError, type Family, type IpAddress } from '../../model/index.js';
import { decodeVip, encodeHost, encodeVip, hostEntries, type HostFacts, VipNumbers } from './tables.js';

export const HOST_OBJECT = fileURLToPath(new URL('../../../bpf/host.bpf.o', import.meta.url));

/** Of clsact's filters. */
const HANDLE = 0xbe35;
const FOLDER = 'host';
const VIPS = 'vips';
/** The program for answers to the host, on the director's interfaces. */
const BACK = 'host_back';
/** The programs on bridges of containers, and on their ports. */
const BRIDGE = { port: 'host_port_in', ingress: 'host_bridge_in', egress: 'host_bridge_out' } as const;

/** The programs of the control group, by what they are for. */
const CGROUP_PROGRAMS: Readonly<Record<CgroupEvent, string>> = {
  connect4: 'host_connect4',
  connect6: 'host_connect6',
  sendmsg4: 'host_sendmsg4',
  sendmsg6: 'host_sendmsg6',
  recvmsg4: 'host_recvmsg4',
  recvmsg6: 'host_recvmsg6',
  getpeername4: 'host_peername4',
  getpeername6: 'host_peername6',
  getsockname4: 'host_sockname4',
  getsockname6: 'host_sockname6',
};

/** Where the programs are attached, by the interfaces' indices. */
export interface HostPlaces {
  /** The end of the veth by which stand-ins are reached, and the one at which the director is. */
  readonly outer: number;
  readonly inner: number;
  /** The director's interfaces, by which answers come. */
  readonly nics: readonly number[];
  /** Bridges whose containers are clients. */
  readonly bridges: readonly number[];
  readonly ports: readonly number[];
}

/**
 * Everything outlives the process but its handles: the next one gives the same links its own programs.
 *
 * Minimum kernel version: 6.1. Needs CAP_BPF and CAP_NET_ADMIN, and a file system of cgroup2.
 */
export class HostPrograms implements Disposable {
  readonly #directory: string;
  readonly #programs: ReadonlyMap<string, BpfProgram>;
  readonly #maps: ReadonlyMap<string, BpfMap>;
  readonly #numbers: VipNumbers;
  readonly #links = new Map<string, BpfLink | undefined>();
  /** The entries that are in the table, by their keys in hexadecimal. */
  #written = new Map<string, string>();
  #vips: ReadonlyMap<IpAddress, number> = new Map();

  private constructor(directory: string, object: Pick<BpfObject, 'programs' | 'maps'>, numbers: VipNumbers) {
    this.#directory = directory;
    this.#programs = object.programs;
    this.#maps = object.maps;
    this.#numbers = numbers;
  }

  /**
   * Loads the programs. They are attached nowhere before `attach`.
   *
   * @param pinDirectory the director's folder in the BPF file system
   * @throws BeelineError `PROGRAM_REFUSED`
   */
  static async open(pinDirectory: string): Promise<HostPrograms> {
    const directory = join(pinDirectory, FOLDER);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    using object = new BpfObject(HOST_OBJECT);
    using known = openVips(join(directory, VIPS));
    const numbers = new VipNumbers(
      [...(known?.entries() ?? [])].map(([key, value]) => [decodeVip(value), numberOf(key)] as const),
    );
    if (known !== undefined) {
      object.map('host_vips').reuse(known);
    }
    try {
      await object.loadAsync();
    } catch (error) {
      throw error instanceof KernelError
        ? new BeelineError('PROGRAM_REFUSED', `the kernel refused the programs of hostClients: ${error.message}`, {
            cause: error,
          })
        : error;
    }
    if (known === undefined) {
      object.map('host_vips').pin(join(directory, VIPS));
    }
    return new HostPrograms(directory, object, numbers);
  }

  /** Writes what the programs know, so that connections that are open go on. */
  write(image: Image, facts: HostFacts): void {
    const families = ([4, 6] as const).filter((family: Family) => facts.addresses[family] !== undefined);
    const { entries, vips } = hostEntries(image, families, this.#numbers);
    const [services, names] = [this.#maps.get('host_services')!, this.#maps.get('host_vips')!];
    for (const [address, number] of vips) {
      if (this.#vips.get(address) !== number) {
        names.update(u32(number), encodeVip(address));
      }
    }
    const wanted = new Map(entries.map(({ key, value }) => [hex(key), hex(value)]));
    for (const [key, value] of wanted) {
      if (this.#written.get(key) !== value) {
        services.update(Buffer.from(key, 'hex'), Buffer.from(value, 'hex'));
      }
    }
    for (const key of this.#written.keys()) {
      if (!wanted.has(key)) {
        services.delete(Buffer.from(key, 'hex'));
      }
    }
    this.#maps.get('.data.host')!.update(u32(0), encodeHost(facts, vips.keys()));
    for (const number of this.#numbers.keep(new Set(vips.keys()))) {
      names.delete(u32(number));
    }
    this.#written = wanted;
    this.#vips = vips;
  }

  /** Attaches the programs where they are not yet, and takes them off other interfaces. @throws KernelError */
  attach({ outer, inner, nics, bridges, ports }: HostPlaces): void {
    this.#attachTc('host_out', outer, 'egress');
    this.#attachTc('host_told', outer, 'ingress');
    this.#attachTc('host_enter', inner, 'ingress');
    this.#attachTc('host_answer', inner, 'egress');
    for (const nic of nics) {
      this.#attachTc(BACK, nic, 'ingress');
    }
    for (const bridge of bridges) {
      this.#attachTc(BRIDGE.egress, bridge, 'egress');
      this.#attachTc(BRIDGE.ingress, bridge, 'ingress');
    }
    for (const port of ports) {
      this.#attachTc(BRIDGE.port, port, 'ingress');
    }
    const wanted = new Map([
      [BACK, new Set(nics)],
      [BRIDGE.port, new Set(ports)],
      ...[BRIDGE.ingress, BRIDGE.egress].map((name) => [name, new Set(bridges)] as const),
    ]);
    const own = new Set([outer, inner]);
    for (const [pin, ifindex] of pinnedInterfaces(this.#directory)) {
      if (!(wanted.get(pin.slice(0, pin.lastIndexOf('-'))) ?? own).has(ifindex)) {
        this.#drop(pin);
      }
    }
    // Last: from here on connections are led there.
    for (const [event, name] of Object.entries(CGROUP_PROGRAMS) as [CgroupEvent, string][]) {
      this.#hold(name, undefined, (program) => BpfLink.attachCgroup(program, cgroupRoot(), event));
    }
  }

  #attachTc(name: string, ifindex: number, direction: TcDirection): void {
    const program = this.#programs.get(name)!;
    const pin = `${name}-${ifindex}`;
    try {
      this.#hold(name, ifindex, () => BpfLink.attachTcx(program, ifindex, direction), pin);
    } catch (error) {
      // Kernels before 6.6. A filter needs no pin to outlive the process.
      if (!(error instanceof KernelError && error.code === 'EINVAL')) {
        throw error;
      }
      TcAttachment.attach(program, ifindex, direction, { way: 'clsact', handle: HANDLE, late: true });
      this.#links.set(pin, undefined);
    }
  }

  /** Gives a pinned link this process's program, or makes the link. */
  #hold(name: string, ifindex: number | undefined, attach: (program: BpfProgram) => BpfLink, pin = name): void {
    const held = this.#links.get(pin);
    if (this.#links.has(pin) && (held === undefined || isAlive(held, ifindex))) {
      return;
    }
    const program = this.#programs.get(name)!;
    const path = join(this.#directory, pin);
    held?.close();
    if (existsSync(path)) {
      const link = BpfLink.openPinned(path);
      if (isAlive(link, ifindex)) {
        link.update(program);
        this.#links.set(pin, link);
        return;
      }
      link.close();
      unlinkSync(path);
    }
    const link = attach(program);
    link.pin(path);
    this.#links.set(pin, link);
  }

  #drop(pin: string): void {
    this.#links.get(pin)?.close();
    this.#links.delete(pin);
    detachPinned(join(this.#directory, pin));
  }

  /** Closes the handles. What is attached stays. */
  close(): void {
    this.#links.forEach((link) => link?.close());
    this.#links.clear();
    this.#maps.forEach((map) => {
      map.close();
    });
    this.#programs.forEach((program) => {
      program.close();
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Takes the programs off everything that they are attached to, in the order in which no connection is led astray. Returns
 * whether there were any.
 *
 * @param nics the indices of all interfaces: filters of clsact have no pins
 */
export function removeHostPrograms(pinDirectory: string, nics: readonly number[]): boolean {
  const directory = join(pinDirectory, FOLDER);
  if (!existsSync(directory)) {
    return false;
  }
  const names = readdirSync(directory);
  const isOfInterface = (name: string): boolean => /-\d+$/.test(name);
  for (const name of [...names].sort((a, b) => Number(isOfInterface(a)) - Number(isOfInterface(b)))) {
    if (name === VIPS) {
      unlinkSync(join(directory, name));
    } else {
      detachPinned(join(directory, name));
    }
  }
  for (const nic of nics) {
    removeFilter(BACK, nic, 'ingress');
    removeFilter(BRIDGE.port, nic, 'ingress');
    removeFilter(BRIDGE.ingress, nic, 'ingress');
    removeFilter(BRIDGE.egress, nic, 'egress');
  }
  rmdirSync(directory);
  return true;
}

/** Whether the programs are attached, by this process or one before. */
export function hasHostPrograms(pinDirectory: string): boolean {
  return existsSync(join(pinDirectory, FOLDER));
}

function removeFilter(name: string, nic: number, direction: TcDirection): void {
  try {
    TcAttachment.removeLate(name, nic, direction, HANDLE);
  } catch (error) {
    // The interface is gone.
    if (!(error instanceof KernelError && ['ENODEV', 'ENOENT'].includes(error.code))) {
      throw error;
    }
  }
}

function detachPinned(path: string): void {
  using link = BpfLink.openPinned(path);
  try {
    link.detach();
  } catch (error) {
    // Its interface or group is gone.
    if (!(error instanceof KernelError && ['ENOLINK', 'EINVAL', 'ENODEV', 'ENOENT'].includes(error.code))) {
      throw error;
    }
  }
  unlinkSync(path);
}

/** Whether a link is attached still; one of a control group is while it exists. */
function isAlive(link: BpfLink, ifindex: number | undefined): boolean {
  return ifindex === undefined || link.info.ifindex === ifindex;
}

function pinnedInterfaces(directory: string): [string, number][] {
  return readdirSync(directory).flatMap((name): [string, number][] => {
    const ifindex = /^host_\w+-(\d+)$/.exec(name)?.[1];
    return ifindex === undefined ? [] : [[name, Number(ifindex)]];
  });
}

/** Opens the pinned numbers of VIPs; undefined if there are none that this version can read. */
function openVips(path: string): BpfMap | undefined {
  if (!existsSync(path)) {
    return undefined;
  }
  const map = BpfMap.openPinned(path);
  if (map.info.valueSize === layout.hostVip.byteLength) {
    return map;
  }
  map.close();
  unlinkSync(path);
  return undefined;
}

/** @throws BeelineError `CGROUP_MISSING` */
function cgroupRoot(): string {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const path = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
  if (path === undefined) {
    throw new BeelineError('CGROUP_MISSING', 'hostClients needs a file system of cgroup2, and none is mounted', {
      hint: 'Mount one: mount -t cgroup2 none /sys/fs/cgroup',
    });
  }
  return path;
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
