/** Recognises ipvsadm's command lines, before anything else is loaded. Pure. */

import type { Tool } from '../../../ipvsadm/index.js';

export interface IpvsadmCall {
  readonly tool: Tool;
  /** The words after the tool's name. */
  readonly words: readonly string[];
  readonly instance: string | undefined;
}

/** A Record, so that the compiler demands every tool. */
const TOOLS: Readonly<Record<Tool, true>> = { ipvsadm: true, 'ipvsadm-save': true, 'ipvsadm-restore': true };

/** @param words without the program's name: "ipvsadm -Ln", "--instance edge ipvsadm -Ln" */
export function ipvsadmCall(words: readonly string[]): IpvsadmCall | undefined {
  let instance: string | undefined;
  let at = 0;
  for (; words[at]?.startsWith('--instance') === true; at += 1) {
    const [, attached] = /^--instance(?:=(.*))?$/.exec(words[at]!) ?? [];
    instance = attached ?? words[(at += 1)];
  }
  const name = words[at];
  return name !== undefined && Object.hasOwn(TOOLS, name)
    ? { tool: name as Tool, words: words.slice(at + 1), instance }
    : undefined;
}
