/** A host as its look printed it, in place of the host itself: the checks of a real server look at it as at their own. */

import { BeelineError } from '../../model/index.js';
import type { CommandLine, MachineToLookAt } from '../../steps/index.js';
import { PURPOSE } from '../purpose.js';
import { type HostLook, lookOf, type Parts } from './parse.js';

/** Longer rules are those of programs, with sets in them, and name no VIP. */
const LONGEST_RULE = 4_096;
/** Lines of configuration files. */
const LONGEST_LINE = 200;

const FAMILIES: readonly unknown[] = ['arp', 'bridge', 'inet', 'ip', 'ip6', 'netdev'];
const NAME = /^[\w./-]{1,64}$/;
const CONFIG_PATH = /^\/etc\/[\w./@+-]{1,200}$/;
const TCP_HEADER = '  sl  local_address rem_address   st\n';

export class Snapshot implements MachineToLookAt {
  readonly look: HostLook;
  readonly #parts: Parts;
  readonly #sysctls: ReadonlyMap<string, string>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.look = lookOf(parts);
    const lines = (parts.get('sysctls') ?? '').split('\n');
    this.#sysctls = new Map(
      lines.flatMap((line) => {
        const [, key, value] = /^\/proc\/sys\/(\S{1,100}):(\d{1,9})$/.exec(line) ?? [];
        return key === undefined ? [] : [[key, value!] as const];
      }),
    );
  }

  get boot(): string {
    return (this.#parts.get('boot') ?? '').trim();
  }

  /** Whether the host's rules could be read. */
  get isFirewallKnown(): boolean {
    return this.#ruleset() !== undefined;
  }

  /** @throws BeelineError `HOST_FAILED` for what the look does not ask */
  run({ file, args }: CommandLine): Promise<string> {
    if (file === 'ip' && args.join(' ') === '-j address show') {
      return Promise.resolve(this.#addresses());
    }
    const why = `"${file} ${args.join(' ')}" was not asked over SSH`;
    return Promise.reject(new BeelineError('HOST_FAILED', why));
  }

  listing(file: string, ...args: string[]): Promise<string | undefined> {
    if (file === 'nft') {
      return Promise.resolve(args.includes('tables') && this.isFirewallKnown ? '{}' : this.#ruleset());
    }
    return Promise.resolve(this.#parts.get(file === 'arptables-save' ? 'arptables' : file));
  }

  /** As `ip -j address show` of a version that has it. */
  #addresses(): string {
    const { links, addresses } = this.look;
    return JSON.stringify(
      links.map(({ device, flags }) => ({
        ifname: device,
        flags,
        addr_info: addresses
          .filter((each) => each.device === device)
          .map(({ address, prefix, flags: words }) => ({
            local: address,
            prefixlen: prefix,
            ...(words.includes('tentative') && { tentative: true }),
            ...(words.includes('dadfailed') && { dadfailed: true }),
          })),
      })),
    );
  }

  /** What of nft's listing is a rule, a chain or a table as nft would name it; undefined: it is no listing. */
  #ruleset(): string | undefined {
    try {
      const { nftables } = JSON.parse(this.#parts.get('nft') ?? '') as { nftables: unknown };
      return Array.isArray(nftables) ? JSON.stringify({ nftables: nftables.filter(isPlain) }) : undefined;
    } catch {
      // Cut off, or not nft's.
      return undefined;
    }
  }

  read(path: string): string | undefined {
    return path === PURPOSE.recordPath
      ? this.#parts.get('record')
      : (this.#parts.get(`link ${path}`)?.trimEnd() ?? this.#parts.get(`file ${path}`));
  }

  readText(path: string): string | undefined {
    const lines = this.#parts.get(`file ${path}`)?.split('\n');
    return lines
      ?.filter((line) => line.trim() !== '')
      .map((line) => line.slice(0, LONGEST_LINE))
      .join('\n');
  }

  kernelFile(path: string): string {
    return TCP_HEADER + (this.#parts.get(path.replace('/proc/net/', '')) ?? '');
  }

  names(folder: string): string[] {
    const before = `file ${folder}/`;
    return [...this.#parts.keys()]
      .filter((name) => name.startsWith(before) && CONFIG_PATH.test(name.slice('file '.length)))
      .map((name) => name.slice(before.length));
  }

  sysctl(key: string): string | undefined {
    return this.#sysctls.get(key);
  }
}

/** Whether an object of nft's listing has the names that nft gives, and no more than a few words. */
function isPlain(object: unknown): boolean {
  const [[kind, value] = []] = Object.entries((object ?? {}) as Record<string, unknown>);
  const { family, table, name, hook, policy, expr } = (value ?? {}) as Record<string, unknown>;
  const isName = (text: unknown): boolean => typeof text === 'string' && NAME.test(text);
  const isNameOrNone = (text: unknown): boolean => text === undefined || isName(text);
  if (!FAMILIES.includes(family)) {
    return false;
  }
  switch (kind) {
    case 'table':
      return isName(name);
    case 'chain':
      return isName(name) && isName(table) && isNameOrNone(hook) && isNameOrNone(policy);
    case 'rule':
      return isName(table) && Array.isArray(expr) && JSON.stringify(expr).length <= LONGEST_RULE;
    default:
      return false;
  }
}
