/** Prints what a change of a map did. */

import type { Edited, FoundMap, InspectedMap } from '../../../inspect/index.js';
import { print, printJson, printNote } from '../../terminal/print.js';
import type { EditFlags } from './options.js';

/** @param path the part of the value that was written */
export async function printEdited(
  map: InspectedMap,
  { key, before, after }: Edited,
  path: string | undefined,
  { json, perCpu }: EditFlags,
): Promise<void> {
  if (json === true) {
    const report = { map: map.name, key: map.decodeKey(key), path, before, after };
    printJson(JSON.parse(JSON.stringify(report, (_, each: unknown) => jsonable(each))));
    return;
  }
  const { formatValue } = await import('../../../inspect/index.js');
  const place = `${map.name}${key.length === 0 ? '' : `[${map.formatKey(key)}]`}${path === undefined ? '' : ` ${path}`}`;
  const change =
    after === undefined
      ? 'written'
      : `${before === undefined ? '' : `${formatValue(before, true)} -> `}${formatValue(after, true)}`;
  print(`${place}: ${change}${map.cpus === 1 ? '' : perCpu === true ? ' on CPU 0' : ` on each of ${map.cpus} CPUs`}\n`);
}

/** Warns, after a change of a director's map, that the daemon did not make it. */
export async function warnOfBypass({ owner }: FoundMap): Promise<void> {
  if (owner !== undefined) {
    const { BYPASSED } = await import('../../../inspect/index.js');
    printNote(`${BYPASSED}\n`);
  }
}

/** Makes integers that JSON's numbers cannot hold text. */
export function jsonable(value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
