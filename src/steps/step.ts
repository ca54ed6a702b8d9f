/** The steps by which a host is changed: what each changes, as a value, and the commands that do and undo it. Pure. */

import { type IpAddress, shellWord } from '../model/index.js';

interface Common {
  /** Names the thing that is changed: the same in every plan. */
  readonly id: string;
  readonly why: string;
}

export interface SysctlStep extends Common {
  readonly kind: 'sysctl';
  /** With slashes, as under /proc/sys. */
  readonly key: string;
  readonly value: string;
  /** The values that do as well. */
  readonly enough: readonly string[];
}

export interface AddressStep extends Common {
  readonly kind: 'address';
  /** The interface. Default: lo. */
  readonly device?: string;
  readonly address: IpAddress;
  readonly prefix: 32 | 128;
}

/** A table of nft that belongs to one VIP alone: it is made and removed as a whole. */
export interface NftStep extends Common {
  readonly kind: 'nft';
  readonly family: 'arp' | 'ip' | 'ip6';
  readonly table: string;
  /** The table's content in nft's language, a statement a line. */
  readonly lines: readonly string[];
  /** The rules as "nft -j" lists them. */
  readonly rules: readonly unknown[];
}

export interface RuleStep extends Common {
  readonly kind: 'rule';
  readonly tool: 'arptables' | 'iptables' | 'ip6tables';
  readonly chain: string;
  /** Its words after the chain. */
  readonly rule: readonly string[];
}

export interface FileStep extends Common {
  readonly kind: 'file';
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** A symbolic link. */
export interface LinkStep extends Common {
  readonly kind: 'link';
  readonly path: string;
  readonly target: string;
}

export type Step = SysctlStep | AddressStep | NftStep | RuleStep | FileStep | LinkStep;

/** A program, its arguments, and its input. */
export interface CommandLine {
  readonly file: string;
  readonly args: readonly string[];
  readonly input?: string;
}

/** Returns the command that does a step. Sysctls and files are written without a program: the command says the same. */
export function doing(step: Step): CommandLine {
  switch (step.kind) {
    case 'sysctl':
      return { file: 'sysctl', args: ['-w', assignment(step.key, step.value)] };
    case 'address':
      return { file: 'ip', args: ['address', 'add', ...onDevice(step), ...addressOptions(step)] };
    case 'nft':
      return { file: 'nft', args: ['-f', '-'], input: tableText(step) };
    case 'rule':
      return { file: step.tool, args: [...tableArgs(step), '-A', step.chain, ...step.rule] };
    case 'file':
      return { file: 'install', args: ['-m', step.mode.toString(8), '/dev/stdin', step.path], input: step.text };
    case 'link':
      return { file: 'ln', args: ['-s', step.target, step.path] };
  }
}

/**
 * Whether the kernel is not to take an address as the source of this host's own packets. It prefers an IPv6 address of /128 to
 * all others of its interface (RFC 6724, rule 8, and net/ipv6/addrconf.c), and other hosts have a VIP too, and never answer it.
 */
export function isNoSource({ prefix, device = 'lo' }: Pick<AddressStep, 'prefix' | 'device'>): boolean {
  return prefix === 128 && device !== 'lo';
}

/** Returns what `ip address add` says after the device. */
export function addressOptions(step: Pick<AddressStep, 'prefix' | 'device'>): string[] {
  return [...(step.prefix === 128 ? ['nodad'] : []), ...(isNoSource(step) ? ['preferred_lft', '0'] : [])];
}

/** Returns the command that undoes a step. @param before the sysctl's value before it */
export function undoing(step: Step, before: string | undefined): CommandLine {
  switch (step.kind) {
    case 'sysctl':
      return { file: 'sysctl', args: ['-w', assignment(step.key, before ?? '0')] };
    case 'address':
      return { file: 'ip', args: ['address', 'del', ...onDevice(step)] };
    case 'nft':
      return { file: 'nft', args: ['delete', 'table', step.family, step.table] };
    case 'rule':
      return { file: step.tool, args: [...tableArgs(step), '-D', step.chain, ...step.rule] };
    case 'file':
    case 'link':
      return { file: 'rm', args: [step.path] };
  }
}

/** Returns a step in short: the command, or the thing that is written. */
export function titleOf(step: Step): string {
  switch (step.kind) {
    case 'nft':
      return `nft table ${step.family} ${step.table}`;
    case 'file':
      return `write ${step.path}`;
    case 'sysctl':
    case 'address':
    case 'rule':
    case 'link':
      return commandText(doing(step));
  }
}

/** Returns a command as a person would type it. What goes in by standard input is left out. */
export function commandText({ file, args, input }: CommandLine): string {
  const words = [file, ...args].map(shellWord).join(' ');
  return input === undefined ? words : `${words} <<'END'\n${input}END`;
}

export function cidr({ address, prefix }: AddressStep): string {
  return `${address}/${prefix}`;
}

export function deviceOf({ device = 'lo' }: AddressStep): string {
  return device;
}

function onDevice(step: AddressStep): string[] {
  return [cidr(step), 'dev', deviceOf(step)];
}

/** "net/ipv4/conf/all/arp_ignore", "1" → "net.ipv4.conf.all.arp_ignore=1" */
export function assignment(key: string, value: string): string {
  return `${key.replaceAll('/', '.')}=${value}`;
}

/** The first line makes the second succeed: the table is replaced at once, or made. */
export function tableText({ family, table, lines }: NftStep): string {
  const name = `table ${family} ${table}`;
  return [name, `delete ${name}`, `${name} {`, ...lines, '}', ''].join('\n');
}

function tableArgs({ tool }: RuleStep): string[] {
  return tool === 'arptables' ? [] : ['-t', 'nat'];
}
