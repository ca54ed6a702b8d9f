/** Which packets a virtual server is for: an address and port, a group of them, or a mark. */

import { MAX_MARK, parseIp } from '../../model/index.js';
import { shown } from './block.js';
import type { Context } from './context.js';
import type { Target } from './spec.js';
import type { Statement } from './text/tree.js';
import { addressesOf, numberOf, rangeOf } from './values.js';

/** Reads a port: a number, or a name of a service. Undefined: it is none. A missing one is 0. */
export function portOf(word: string | undefined, { portOf: byName }: Context): number | undefined {
  return word === undefined ? 0 : (numberOf(word, 0, 65_535) ?? byName(word, 'tcp') ?? byName(word, 'udp'));
}

export function targetsOf(statement: Statement, context: Context): Target[] {
  const [, first = '', second] = statement.words;
  const { report } = context;
  switch (first) {
    case 'fwmark':
      return markTargets(statement, second, undefined, context);
    case 'group': {
      const group = context.groups.get(second ?? '');
      if (group === undefined) {
        report.tellBlock(
          'dropped',
          statement,
          `virtual_server: there is no virtual_server_group "${shown(second ?? '')}"`,
        );
        return [];
      }
      const targets = (group.children ?? []).flatMap((entry) => entryTargets(entry, context));
      if (targets.length === 0) {
        report.tellBlock('dropped', statement, `virtual_server: its group ${shown(second ?? '')} has no addresses`);
      }
      return targets;
    }
    default: {
      const address = parseIp(first);
      const port = portOf(second, context);
      if (address === undefined || port === undefined) {
        const what = address === undefined ? `"${shown(first)}" is no address` : `"${shown(second ?? '')}" is no port`;
        report.tellBlock('dropped', statement, `virtual_server: ${what}`);
        return [];
      }
      return [{ statement, address, port }];
    }
  }
}

function markTargets(
  statement: Statement,
  word: string | undefined,
  family: string | undefined,
  context: Context,
): Target[] {
  const mark = numberOf(word, 1, MAX_MARK);
  if (mark === undefined) {
    context.report.tellBlock('dropped', statement, `fwmark: "${shown(word ?? '')}" is no mark from 1 to ${MAX_MARK}`);
    return [];
  }
  const families = { inet: 4, inet6: 6 } as const;
  const isKnown = family === 'inet' || family === 'inet6';
  if (family !== undefined && !isKnown) {
    const rest = 'it is inet or inet6; that of the real servers is taken';
    context.report.tell('dropped', statement, `fwmark: "${shown(family)}" is no family: ${rest}`);
  }
  return [{ statement, mark, family: isKnown ? families[family] : undefined }];
}

/** Of one line in a group: an address, a range of them, or a mark. */
function entryTargets(entry: Statement, context: Context): Target[] {
  const { report } = context;
  const [first = '', second] = entry.words;
  if (first === 'fwmark') {
    report.keep(entry);
    return markTargets(entry, second, entry.words[2], context);
  }
  const range = rangeOf(first);
  const port = portOf(second, context);
  if (typeof range === 'string' || port === undefined) {
    report.tell('dropped', entry, typeof range === 'string' ? range : `"${shown(second ?? '')}" is no port`);
    return [];
  }
  const addresses = addressesOf(range);
  if (addresses.length === 1) {
    report.keep(entry);
  } else {
    report.tell('translated', entry, `${first}: a service for each of its ${addresses.length} addresses`);
  }
  return addresses.map((address) => ({ statement: entry, address, port }));
}
