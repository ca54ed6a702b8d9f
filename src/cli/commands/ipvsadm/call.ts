/** Finds the command on a command line, and recognises ipvsadm's, before anything else is loaded. Pure. */

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
  const { word, rest, instance } = firstWord(words);
  return word !== undefined && Object.hasOwn(TOOLS, word) ? { tool: word as Tool, words: rest, instance } : undefined;
}

/** Returns the first word after --instance, and the words after it. The word is a command's name or anything else. */
export function firstWord(words: readonly string[]): {
  readonly word: string | undefined;
  readonly rest: readonly string[];
  readonly instance: string | undefined;
} {
  let instance: string | undefined;
  let at = 0;
  for (; words[at]?.startsWith('--instance') === true; at += 1) {
    const [, attached] = /^--instance(?:=(.*))?$/.exec(words[at]!) ?? [];
    instance = attached ?? words[(at += 1)];
  }
  return { word: words[at], rest: words.slice(at + 1), instance };
}
